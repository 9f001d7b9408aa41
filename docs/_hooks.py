"""What MkDocs runs as it builds the site: formulas as MathML, notebooks as pages, and nothing from other servers."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.DOTALL)
# Tags that make a browser load something, with their address; <a> is a link and <link rel="canonical"> a remark.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data)=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?![^>]*\brel=["']?(?:canonical|prev|next|alternate)\b)[^>]*?\bhref=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//[^"'\s)]+|\burl\(["']?(?:https?:)?//[^"'\s)]+""",
    re.IGNORECASE,
)


def on_config(config: Any, **_: Any) -> Any:
    """Let the navigation lead to the pages that `on_files` makes of notebooks."""
    config.nav = _with_pages(config.nav)
    return config


def _with_pages(nav: Any) -> Any:
    if isinstance(nav, list):
        return [_with_pages(entry) for entry in nav]
    if isinstance(nav, dict):
        return {title: _with_pages(entry) for title, entry in nav.items()}
    return re.sub(r"\.ipynb$", ".md", nav) if isinstance(nav, str) else nav


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add a page for each notebook; the notebook itself stays beside it."""
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = notebook_page(Path(file.abs_src_path).read_text(encoding="utf-8"), Path(file.src_uri).name)
        files.append(File.generated(config, file.src_uri.removesuffix(".ipynb") + ".md", content=page))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to a notebook lead to its page; only the page itself has one to the notebook."""
    own = Path(page.file.src_uri).stem

    def to_page(link: re.Match[str]) -> str:
        return link[0] if link[1] == own else f"]({link[1]}.md)"

    return re.sub(r"\]\(([^)\s]+)\.ipynb\)", to_page, markdown)


def notebook_page(text: str, name: str) -> str:
    """Return a notebook as Markdown: its texts, its code, the outputs it was saved with, and a link to it."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            parts += [f"```python\n{source}\n```", *map(_output, cell["outputs"])]
        else:
            parts.append(source)
    title, *others = filter(None, parts)
    return "\n\n".join([title, f"[Download this page as a notebook]({name})", *others]) + "\n"


def _output(output: Any) -> str:
    """An output of a cell: its HTML, or its plain text."""
    data = output.get("data", {})
    if "text/html" in data:
        return "<div>" + re.sub(r"\n\s*\n", "\n", "".join(data["text/html"])) + "</div>"
    words = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{words.rstrip()}\n```" if words.strip() else ""


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
