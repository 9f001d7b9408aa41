"""Cells of text as numbers: decimal commas, grouped thousands, units, and the many ways to write nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.printing import shown

MISSING = ("na", "n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing", "#n/a", "#value!", "<na>")
INFINITE = tuple(sign + word for sign in ("", "+", "-") for word in ("inf", "infinity", "∞"))

_SPACE = r" '’\x{a0}\x{202f}\x{2009}"  # between thousands
_SIGN, _POWER = r"(?i)^[+-]?", r"(?:[ed][+-]?\d+)?$"
_NUMBER = rf"[+-]?\d(?:[\d.,{_SPACE}]*\d)?[.,]?(?:[ed][+-]?\d+)?|[+-]?[.,]\d+(?:[ed][+-]?\d+)?"
_PARTS = (
    rf"(?i)^(?P<before>\p{{Sc}}?)\s*(?P<number>{_NUMBER})\s*(?P<after>(?:[\p{{L}}\p{{Sc}}%‰°²³\"'][^\s,;]{{0,15}})?)$"
)
_GROUPED = rf"{_SIGN}\d{{1,3}}(?:[{_SPACE}]\d{{3}})+(?:[.,]\d*)?{_POWER}"
# What only the first sign as decimal sign explains; the second then separates thousands.
_EVIDENCE = (
    r"{sign}(?:\d*{d}(?:\d{{0,2}}|\d{{4,}})|0\d*{d}\d{{3}}"
    r"|\d{{1,3}}(?:{g}\d{{3}})+{d}\d*|\d{{1,3}}(?:{g}\d{{3}}){{2,}}){power}"
)
_COMMA = _EVIDENCE.format(sign=_SIGN, power=_POWER, d=",", g=r"\.")
_POINT = _EVIDENCE.format(sign=_SIGN, power=_POWER, d=r"\.", g=",")
_PLAIN = rf"{_SIGN}(?:\d+\.?\d*|\.\d+){_POWER}"
_WELL_FORMED = r"{sign}(?:\d{{1,3}}(?:{g}\d{{3}})+|\d*)(?:{d}\d*)?{power}"


# What multiplies a number: it stands beside all numbers of a column, or beside none.
_SCALES = {"k", "K", "M", "B", "G", "T", "bn", "mn", "Mio", "Mio.", "Mrd", "Mrd.", "Tsd", "Tsd."}
_SCALES |= {"thousand", "million", "billion", "%", "‰"}
_ZERO = r"^[+-]?0*[.,]?0*$"


class Numbers(NamedTuple):
    """A column as numbers, or what speaks against it.

    `values` (rows,) float64 has NaN for cells that are missing, infinite or unreadable; `share` is that of numbers
    among the cells that are not missing; `problem` and `row` name the first cell that is no number.
    """

    values: Array
    unit: str = ""
    notes: tuple[str, ...] = ()
    share: float = 1.0
    problem: str | None = None
    row: int | None = None


def parse(column: Any, comma_likely: bool = False) -> Numbers:
    """Read an Arrow column as numbers.

    Parameters
    ----------
    column : pyarrow.ChunkedArray (rows,)
        Text, numbers, decimals or booleans (0 and 1).
    comma_likely : bool
        Whether "1,234" is rather 1.234 than 1234 where nothing else decides it.

    Returns
    -------
    Numbers
        Without problem if every cell is a number or missing. A column has one decimal sign and one unit; what was
        taken for them is said in the notes.

    Examples
    --------
    >>> import pyarrow as pa
    >>> numbers = parse(pa.chunked_array([["12,5 kg", "1 234,5 kg", "n/a"]]))
    >>> numbers.values, numbers.unit
    (array([  12.5, 1234.5,    nan]), 'kg')
    >>> numbers.notes
    ("in 'kg'", 'grouped thousands', 'decimal comma', '1 cell (n/a) read as missing')
    >>> parse(pa.chunked_array([["1.5", "2.5", "warm"]])).problem
    "'warm' is no number"
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(column.cast(pa.string()), comma_likely)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        empty = pa.types.is_null(kind)
        problem = None if empty else f"its type is {kind}, no number"
        return Numbers(np.full(len(column), np.nan), share=float(empty), problem=problem)
    values = column.cast(pa.float64(), safe=False).to_numpy()
    return _finite(Numbers(values))


def _from_text(column: Any, comma_likely: bool) -> Numbers:
    import pyarrow as pa

    try:
        values = column.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return _from_odd_text(column, comma_likely)
    blank = int((np.isnan(values) & ~column.is_null().to_numpy()).sum())
    return _finite(Numbers(values, notes=(blank_note(["NaN"], blank),) if blank else ()))


def _finite(numbers: Numbers) -> Numbers:
    """Return infinities as missing, and say where the first one was."""
    infinite = np.isinf(numbers.values)
    if not infinite.any():
        return numbers
    note = blank_note(["infinite"], int(infinite.sum()))
    return numbers._replace(values=np.where(infinite, np.nan, numbers.values), notes=(*numbers.notes, note))


def _from_odd_text(column: Any, comma_likely: bool) -> Numbers:
    """Read the distinct cells, one rule after the other, then put them back into their rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pa.concat_arrays(column.chunks).dictionary_encode()
    codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy()
    cells = _Cells(coded.dictionary, np.bincount(codes, minlength=len(coded.dictionary) + 1)[:-1])
    unit = cells.take_unit()
    grouped = cells.take_groups()
    decimal = cells.take_decimal_sign(comma_likely)
    good = _matches(cells.number, _PLAIN)
    cells.mark(~good & ~cells.blank, "is no number")
    written = pc.replace_substring_regex(cells.number, "[dD]", "e")  # 0.25D-02, as Fortran writes powers
    values = pc.if_else(pa.array(cells.fine), written, pa.scalar(None, pa.string())).cast(pa.float64())
    values = np.append(values.to_numpy(zero_copy_only=False), np.nan)
    filled = cells.counts[~cells.blank].sum()
    share = float(cells.counts[cells.fine].sum() / filled) if filled else 0.0
    row = int(np.flatnonzero(np.isin(codes, np.flatnonzero(cells.problem != "")))[0]) if cells.problem.any() else None
    notes = (*unit[1:], *grouped, *decimal, *cells.missing_note())
    return Numbers(values[codes], unit[0], notes, share, None if row is None else cells.described(codes[row]), row)


class _Cells:
    """The distinct cells of a column while rules are applied to them, and what became of each."""

    def __init__(self, cells: Any, counts: Array):
        import pyarrow as pa
        import pyarrow.compute as pc

        self.cells, self.counts = cells, counts
        lower = pc.utf8_lower(pc.replace_substring(cells, "−", "-"))
        self.missing = pc.is_in(lower, pa.array(MISSING)).to_numpy(zero_copy_only=False)
        self.infinite = pc.is_in(lower, pa.array(INFINITE)).to_numpy(zero_copy_only=False)
        self.blank = self.missing | self.infinite
        self.parts = pc.extract_regex(pc.replace_substring(cells, "−", "-"), _PARTS)
        self.number = pc.struct_field(self.parts, "number")
        self.problem: Array = np.full(len(cells), "", object)
        self.mark(self.parts.is_null().to_numpy(zero_copy_only=False), "is no number")

    @property
    def fine(self) -> Array:
        """Which cells are numbers as far as the rules went."""
        fine: Array = ~self.blank & (self.problem == "")
        return fine

    def mark(self, which: Array, problem: str) -> None:
        """Write down a problem of cells that had none."""
        self.problem[which & self.fine] = problem

    def take_unit(self) -> tuple[str, ...]:
        """Return the unit most cells carry, and a note; cells with another one are no numbers."""
        import pyarrow.compute as pc

        before, after = (pc.struct_field(self.parts, name).fill_null("") for name in ("before", "after"))
        joined = pc.binary_join_element_wise(before, after, "")
        if not pc.any(pc.not_equal(joined, "")).as_py():
            return ("",)
        units = np.asarray(joined.to_pylist(), object)
        with_unit = np.flatnonzero(self.fine & (units != ""))
        if not with_unit.size:
            return ("",)
        names, place = np.unique(units[with_unit].astype(str), return_inverse=True)
        unit = str(names[np.argmax(np.bincount(place, self.counts[with_unit]))])
        self.mark((units != "") & (units != unit), f"is not in {unit!r} as others are")
        if unit in _SCALES:
            scaled, bare = units == unit, (units == "") & self.fine & ~_matches(self.number, _ZERO)
            if self.counts[bare].sum() > self.counts[scaled].sum():
                self.mark(scaled, f"is in {unit!r} as others are not")
            else:
                self.mark(bare, f"is not in {unit!r} as others are")
        return unit, f"in {unit!r}"

    def take_groups(self) -> tuple[str, ...]:
        """Remove spaces and apostrophes between thousands."""
        import pyarrow.compute as pc

        spaced = _matches(self.number, f"[{_SPACE}]") & self.fine
        if not spaced.any():
            return ()
        self.mark(spaced & ~_matches(self.number, _GROUPED), "is no number")
        self.number = pc.replace_substring_regex(self.number, f"[{_SPACE}]", "")
        return ("grouped thousands",)

    def take_decimal_sign(self, comma_likely: bool) -> tuple[str, ...]:
        """Make numbers of the one decimal sign that the column has; cells with the other are none."""
        import pyarrow.compute as pc

        commas = _matches(self.number, ",") & self.fine
        comma, point = _matches(self.number, _COMMA) & self.fine, _matches(self.number, _POINT) & self.fine
        weight = [int(self.counts[which].sum()) for which in (comma, point)]
        if not commas.any() and not comma.any():
            return ()
        by_comma = weight[0] > weight[1] or (not any(weight) and comma_likely)
        sign, other = (",", ".") if by_comma else (".", ",")
        self.mark(point if by_comma else comma, f"has not the decimal sign {sign!r} of others")
        well = _matches(self.number, _WELL_FORMED.format(sign=_SIGN, power=_POWER, d=rf"\{sign}", g=rf"\{other}"))
        self.mark(~well, "is no number")
        self.number = pc.replace_substring(pc.replace_substring(self.number, other, ""), sign, ".")
        return ("decimal comma",) if by_comma else ("commas between thousands",)

    def missing_note(self) -> tuple[str, ...]:
        """Say which words were taken for a missing or infinite value, and how often."""
        codes = np.flatnonzero(self.blank)
        if not codes.size:
            return ()
        words = [self.cells[int(k)].as_py() for k in codes]
        return (blank_note(words, int(self.counts[codes].sum())),)

    def described(self, code: int) -> str:
        """Return what is wrong with a cell."""
        return f"{shown(self.cells[int(code)].as_py())} {self.problem[code]}"


def blank_note(words: list[str], count: int) -> str:
    """Return the note on cells that stand for no value."""
    return f"{count:,} cell{'' if count == 1 else 's'} ({', '.join(words)}) read as missing"


def _matches(cells: Any, pattern: str) -> Array:
    import pyarrow.compute as pc

    matching: Array = pc.match_substring_regex(cells, pattern).fill_null(False).to_numpy(zero_copy_only=False)
    return matching
