"""Renders a page: parts in, one HTML file out that reads nothing from any network."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from gatewise.errors import GatewiseError
from gatewise.pages.content import Results, Section
from gatewise.pages.words import unbroken


def require() -> None:
    """Raise a `GatewiseError` that says what to install unless Bokeh, Jinja2 and xarray are there."""
    missing = [name for name in ("bokeh", "jinja2", "xarray") if not _importable(name)]
    if missing:
        raise GatewiseError(
            f"a report needs {' and '.join(missing)}, not installed here: run pip install 'gatewise[report]'."
        )


def render(
    *,
    title: str,
    headline: str,
    lede: str,
    results: Results | None,
    sections: Sequence[Section],
    facts: Mapping[str, str],
    warning: str = "",
    inside: Sequence[Section] = (),
) -> str:
    """Return a page with these parts, those of `inside` folded. Every text is escaped; figures are Bokeh models."""
    from gatewise import __version__

    every = [*sections, *inside]
    words = {"title": title, "headline": headline, "lede": lede, "warning": warning, "version": __version__}
    items = [_embedded(section) for section in every if section.figure is not None]
    stores = {section.id: section.store for section in every if section.store}
    links = {section.heading.partition(":")[0]: section.id for section in reversed(sections)}
    links = dict(reversed(links.items()))
    parts = {"results": results, "sections": sections, "inside": inside, "facts": facts, "links": links}
    data = {"items": items, "stores": stores, "bokeh": _bokeh_script()}
    page: str = _environment().get_template("template.html.jinja").render(**words, **parts, **data)
    return page


def _environment() -> Any:
    """Return what renders templates: it escapes every text, and refuses names that no part of the page has."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gatewise.pages", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = unbroken
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return environment


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@cache
def _bokeh_script() -> str:
    """Return BokehJS without the addresses it would load extras from (MathJax, icon fonts, maps): none is used."""
    from bokeh.resources import Resources

    script = "\n".join(Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw)
    return re.sub(r"""(["`])https?://(?!www\.w3\.org/)[^"`]*\1""", '"about:blank"', script)


def _embedded(section: Section) -> dict[str, Any]:
    """Return the figure as JSON for `Bokeh.embed.embed_item`, with ids that depend on nothing but the figure."""
    from bokeh.core.types import ID
    from bokeh.embed import json_item

    names: dict[str, str] = {}

    def plain(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: plain(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        return names.setdefault(value, f"{section.id}-{len(names)}") if key in ("id", "root_id") else value

    item: dict[str, Any] = plain(dict(json_item(section.figure, ID(f"plot-{section.id}"))))
    return item
