"""One-file HTML reports: figures a person can look at, offline, anywhere."""

from gatewise.pages.dayahead import day_ahead_page
from gatewise.pages.document import report
from gatewise.pages.page import require

__all__ = ["day_ahead_page", "report", "require"]
