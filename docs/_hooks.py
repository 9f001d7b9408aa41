"""What MkDocs runs while it builds the site: LaTeX becomes MathML, and nothing may come from another server."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.DOTALL)
# Tags that make a browser load something, with their address; <a> is a link and <link rel="canonical"> a remark.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data)=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?![^>]*\brel=["']?(?:canonical|prev|next|alternate)\b)[^>]*?\bhref=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//[^"'\s)]+|\burl\(["']?(?:https?:)?//[^"'\s)]+""",
    re.IGNORECASE,
)


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Replace every formula of a page by MathML, which browsers draw by themselves."""
    found = list(FORMULA.finditer(content))
    if not found:
        return content
    from math_core import LatexError, LatexToMathML

    formulas = [(html.unescape(match[2]).strip(), match[1] == "div") for match in found]
    try:
        drawn = iter(LatexToMathML().convert_all(formulas))
    except LatexError as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error
    return FORMULA.sub(lambda match: f'<{match[1]} class="formula">{next(drawn)}</{match[1]}>', content)


def on_post_build(config: Any, **_: Any) -> None:
    """Fail if a page or style of the site asks another server for anything."""
    found = [
        f"{path.relative_to(config.site_dir)}: {request}"
        for path in sorted(Path(config.site_dir).rglob("*"))
        if path.suffix in (".html", ".css")
        for request in external_requests(path.read_text(encoding="utf-8"))
    ]
    if found:
        raise PluginError("the site asks other servers for\n" + "\n".join(found))


def external_requests(text: str) -> list[str]:
    """Return what in a page or style sheet makes a browser ask another server."""
    return [match[0] for match in LOADED.finditer(text)]
