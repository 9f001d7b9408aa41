"""Somebody's own network: how it is called, which it is, whether its backward pass is right, and which line is not.

`calling`, `holders`, `building`, `adapting` find out how; `network`, `reading`, `tracing` run it; `conventions` says
which; `equations`, `slips`, `passes`, `search` hold the catalogue and find what explains the gradients; `result` and
`report` show it.
"""

from gatewise.examine.examination import examine
from gatewise.examine.guard import NotUnderstoodError
from gatewise.examine.result import Examination, Slip

__all__ = ["Examination", "NotUnderstoodError", "Slip", "examine"]
