"""Read the fenced blocks of a page, run them, and compare what they print with what the page shows."""

import contextlib
import doctest
import io
import re

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<info>[^`\n]*)$")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])")
ROUNDING = 1e-9


def blocks(text):
    """Fenced blocks of a page as (language, first line number, text)."""
    lines, found, start = text.splitlines(), [], None
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if start is None and fence:
            start, ticks, indent = number, fence["ticks"], len(fence["indent"])
            language = (fence["info"].split() or [""])[0]
        elif start is not None and line.strip() == ticks:
            found.append((language, start + 1, "\n".join(row[indent:] for row in lines[start : number - 1]) + "\n"))
            start = None
    assert start is None, f"the fence on line {start} is never closed"
    return found


def examples(text):
    """The ```python blocks of a page as (first line number, code, what a ```text block right behind it shows)."""
    every, lines = blocks(text), text.splitlines()
    for i, (language, number, code) in enumerate(every):
        following = every[i + 1] if i + 1 < len(every) else ("", len(lines) + 2, "")
        end = number + code.count("\n")  # the closing fence
        between = lines[end : following[1] - 2]
        shown = following[2] if following[0] == "text" and not "".join(between).strip() else None
        if language == "python":
            yield number, code, shown


def run_block(code, number, page, namespace):
    """Run a block and return what it prints; raises, with page and line, if it does."""
    printed = io.StringIO()
    if ">>>" in code:
        test = doctest.DocTestParser().get_doctest(code, namespace, page, page, number - 1)
        runner = doctest.DocTestRunner(verbose=False)
        runner.run(test, out=printed.write, clear_globs=False)
        assert runner.failures == 0, printed.getvalue()
        namespace.update(test.globs)
        return ""
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * (number - 1) + code, page, "exec"), namespace)
    return printed.getvalue()


def difference(printed, shown):
    """What differs between two texts, or None: numbers agree to one unit of the last digit, or are both rounding."""
    words, wanted = (" ".join(NUMBER.sub("#", text).split()) for text in (printed, shown))
    if words.replace("[ ", "[") != wanted.replace("[ ", "["):
        return f"printed {words!r}, shown {wanted!r}"
    for came, want in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        if abs(float(came) - float(want)) > 1.001 * max(last_digit(want), last_digit(came), ROUNDING):
            return f"printed {came}, shown {want}"
    return None


def last_digit(number):
    """What one unit of the last digit of a decimal number is worth; 0 for an integer."""
    mantissa, _, exponent = number.partition("e")
    _, point, decimals = mantissa.partition(".")
    return 10.0 ** (int(exponent or 0) - len(decimals)) if point or exponent else 0.0


def line_of(error, page):
    """The last line of the page that a traceback passes."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == page:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1] if lines else getattr(error, "lineno", None)
