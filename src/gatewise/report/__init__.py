"""One-file HTML reports: figures a person can look at, offline, anywhere."""

from gatewise.report.page import day_ahead_page, require

__all__ = ["day_ahead_page", "require"]
