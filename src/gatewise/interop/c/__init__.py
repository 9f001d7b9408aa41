"""Models as C: one file that runs a model step by step, and a page in which it runs."""

from gatewise.interop.c.compilers import run
from gatewise.interop.c.export import CExport, to_c
from gatewise.interop.c.page import HtmlExport, to_html

__all__ = ["CExport", "HtmlExport", "run", "to_c", "to_html"]
