"""One-file HTML reports: figures a person can look at, offline, anywhere."""

from gatewise.pages.page import day_ahead_page, require

__all__ = ["day_ahead_page", "require"]
