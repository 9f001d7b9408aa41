"""An examination as text and as one self-contained page."""

from __future__ import annotations

from html import escape

from gatewise.examine.result import Examination, Row
from gatewise.printing import text_table

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c;
  background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font: 14px/1.6 ui-monospace, monospace; overflow-wrap: anywhere; }
.equations { overflow-x: auto; padding: .6rem .8rem; border: 1px solid #ddd; }
.wrong { background: #fde3e1; } del { color: #a11; text-decoration-color: #a11; }
ins { color: #06632b; text-decoration: none; }
.verdict { font-weight: 600; } .no { color: #a11; } .yes { color: #06632b; } .slip { margin: .7rem 0; }
.small { color: #555; font-size: .9rem; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #151515; } th, td, .equations { border-color: #444; }
  .wrong { background: #4a1f1c; }
  del { color: #ff9d95; } ins, .yes { color: #7fd8a0; } .no { color: #ff9d95; } .small { color: #aaa; }
}
"""


def verdict(examination: Examination) -> str:
    """Return in a sentence whether anything is wrong."""
    count = len(examination.slips)
    if not count:
        return "right: every gradient agrees with differences of its own forward pass"
    return f"wrong: {count} slip{'s' if count > 1 else ''}"


def text(examination: Examination) -> str:
    """Return everything as text for a terminal."""
    one = examination
    parts = [f"{one.name}: {one.words}", f"taken as: {one.taken_as}", "", _table(one.gradients), "", verdict(one)]
    parts += [f"  {k}. {slip}" for k, slip in enumerate(one.slips, 1)]
    parts += [f"note: {note}" for note in one.notes]
    if one.convention.get("layout"):
        parts.append(f"as a layer: {loading(one)}")
    return "\n".join(parts)


def loading(examination: Examination) -> str:
    """Return the call that makes a layer of it."""
    convention = examination.convention
    hints = "".join(f", {key}={value!r}" for key, value in convention["hints"].items())
    return f'gw.{convention["cell"].upper()}.from_weights(examination.weights, "{convention["layout"]}"{hints})'


def _table(rows: list[Row]) -> str:
    return text_table(("gradient", "gate", "relative error", "at", ""), [_cells(row) for row in rows], right=(2,))


def _cells(row: Row) -> tuple[str, ...]:
    error = "missing" if row.error is None else f"{row.error:.1e}"
    return row.array, row.gate, error, "" if row.ok else str(list(row.at)), "ok" if row.ok else "WRONG"


def fragment(examination: Examination) -> str:
    """Return everything as HTML without a page around it; what comes from somebody's code is escaped."""
    one = examination
    color = "yes" if one.ok else "no"
    parts = [
        f"<h1>{escape(one.name)}: {escape(one.words)}</h1>",
        f'<p class="small">Taken as {escape(one.taken_as)}.</p>',
    ]
    parts.append(f'<p class="verdict {color}">{escape(verdict(one)).capitalize()}.</p>')
    for slip in one.slips:
        parts.append(f'<div class="slip"><b>{escape(slip.array)}</b>: {escape(slip.what)}')
        if slip.difference is not None:
            parts.append(f" (difference {slip.difference:.0e})")
        if slip.line:
            parts.append(f"<br>Line {slip.line}: <code>{escape(slip.source)}</code>")
        if slip.right:
            parts.append(f"<br>Right: <code><ins>{escape(slip.right)}</ins></code>")
        if slip.also:
            parts.append(f'<br><span class="small">Or, with the same gradients: {escape("; ".join(slip.also))}.</span>')
        parts.append("</div>")
    parts += [_equations(one), "<h2>Gradients against differences</h2>", _html_table(one.gradients)]
    if one.notes:
        parts.append("<h2>Notes</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in one.notes) + "</ul>")
    if one.convention.get("layout"):
        parts.append(f"<h2>As a layer</h2><p><code>{escape(loading(one))}</code></p>")
    return "\n".join(part for part in parts if part)


def _equations(one: Examination) -> str:
    if not one.equations:
        return ""
    rows = []
    for equation in one.equations:
        if equation.wrong:
            where = f" (line {equation.line})" if equation.line else ""
            rows.append(f'<div class="wrong"><del>{escape(equation.wrong)}</del>{where}</div>')
            rows.append(f"<div><ins>{escape(equation.right)}</ins></div>")
        else:
            rows.append(f"<div>{escape(equation.right)}</div>")
    return '<h2>The backward pass</h2><div class="equations"><code>' + "\n".join(rows) + "</code></div>"


def _html_table(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        array, gate, error, at, ok = map(escape, _cells(row))
        mark = "" if row.ok else ' class="wrong"'
        lines.append(
            f'<tr{mark}><td>{array}</td><td>{gate}</td><td class="number">{error}</td><td>{at}</td><td>{ok}</td></tr>'
        )
    head = "<tr><th>gradient</th><th>gate</th><th>relative error</th><th>at</th><th></th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def page(examination: Examination) -> str:
    """Return one HTML file that asks nobody for anything."""
    title = escape(f"{examination.name}, examined")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{fragment(examination)}\n</body>\n</html>\n"
    )
