"""Models of other systems as models here and back, one file a system: both directions side by side, nothing imported.

Arrays alone convert in `gatewise.layouts`; what is read here has layers around them, or is a file.
"""
