"""What stands in a page of HTML."""

import re
from html.parser import HTMLParser


class Outline(HTMLParser):
    """Attributes by tag, texts outside scripts, and the contents of scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.code, self.inside = [], [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        (self.code if self.inside in ("script", "style") else self.texts).append(data)


def plain(text):
    """Every kind of space as one space."""
    return " ".join(text.split())


def words(page):
    """All that a reader of the page reads."""
    return plain(" ".join(Outline(page).texts))


def ids(page):
    """The names of its sections."""
    return re.findall(r'<section id="([\w-]*)"', page)
