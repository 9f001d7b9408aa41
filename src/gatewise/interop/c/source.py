"""A program as the text of one C99 file: declarations, tables, functions, and a test of itself."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from string import Template
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.interop.c import templates
from gatewise.interop.c.helpers import LIBRARY, helper_texts
from gatewise.interop.c.program import AHEAD, Program, Value


class Vectors(NamedTuple):
    """Inputs of one stream, the answers after each step, and how far from these a right file may be."""

    x: Array
    """(steps, inputs), or (steps, 1) whole numbers."""
    y: Array
    """(steps, outputs)."""
    tolerance: float


class Source(NamedTuple):
    """What the text of a file is made of."""

    program: Program
    x: Value
    y: Value
    vectors: Vectors
    about: Sequence[str]
    """Lines of the comment at the top."""
    labels: tuple[str, ...]

    def text(self) -> str:
        """Return the file."""
        name = self.program.name
        parts = [
            _comment(self.about),
            self._declarations(),
            f"\n#ifndef {name.upper()}_HEADER_ONLY\n",
            templates.OPTIONS,
            self._library(),
            *(table.text() for table in self.program.tables),
            self._label_table(),
            helper_texts(self.program.functions, self.program.real, name),
            *self.program.cells.values(),
            self._functions(),
            self._self_test(),
            templates.OPTIONS_END,
            f"\n#endif /* {name.upper()}_HEADER_ONLY */\n",
        ]
        return "".join(parts)

    @property
    def input_kind(self) -> str:
        """C's type of the inputs."""
        return "int32_t" if self.x.integer else self.program.real

    @property
    def keeps_all_steps(self) -> bool:
        """Whether the program has room for some number of steps only."""
        return any(what == "steps" for what, _ in self.program.past)

    def _filled(self, template: str, **words: str) -> str:
        name = self.program.name
        kinds = {"x": self.input_kind, "real": self.program.real}
        return Template(template).substitute(name=name, big=name.upper(), **kinds, **words)

    def _declarations(self) -> str:
        big, program = self.program.name.upper(), self.program
        sizes = {
            "INPUTS": (self.x.size, "numbers that a step reads"),
            "OUTPUTS": (self.y.size, "numbers that it gives"),
            "KEEPS_TIME": (int(not self.y.timeless), "1: process gives outputs for every step; 0: for the last alone"),
            "WEIGHT_BYTES": (program.weight_bytes, "constant tables"),
            "STATE_BYTES": (program.state_bytes, "one stream, sizeof it"),
        }
        if self.keeps_all_steps:
            assert program.max_steps is not None
            sizes["MAX_STEPS"] = (program.max_steps, "steps of one stream, which keeps all of them")
        defines = [f"#define {big}_{key} {value} /* {said} */" for key, (value, said) in sizes.items()]
        members = [f"    {b.kind} {b.name}[{b.size}]; /* {b.note} */" for b in program.ordered_buffers()]
        labels = templates.LABELS if self.labels else ""
        words = {"sizes": "\n".join(defines), "members": "\n".join(members), "labels": self._filled(labels)}
        return self._filled(templates.DECLARATIONS, **words)

    def _library(self) -> str:
        called = sorted(self.program.functions & set(LIBRARY))
        return f"\n#include <math.h> /* {', '.join(called)} */\n" if called else ""

    def _label_table(self) -> str:
        if not self.labels:
            return ""
        words = ",\n    ".join(map(quoted, self.labels))
        name = self.program.name
        return f"\nconst char *const {name}_labels[{name.upper()}_OUTPUTS] = {{\n    {words}}};\n"

    def _functions(self) -> str:
        program, size = self.program, self.y.size
        kept = [buffer for buffer in program.ordered_buffers() if buffer.kept]
        resets = [f"for (j = 0; j < {b.size}; ++j)\n    s->{b.name}[j] = {_ZERO[b.kind]};" for b in kept]
        count = ["s->steps[0] += 1;"] if "steps" in program.buffers else []
        unused = ["(void)x; /* its products have been formed before */"] if program.ahead else []
        output = f"for (j = 0; j < {size}; ++j)\n    y[j] = {self.y.place}[j];"
        answer = f"{program.name}_answer(s, y + i * {size});"
        at_end = f"    if (steps > 0)\n        {program.name}_answer(s, y);\n"
        return self._filled(
            templates.FUNCTIONS,
            **self._looking_ahead(),
            take=_body([*unused, *program.checks, *count, *program.take]),
            answer=_body([*program.answer, output]),
            reset=_body(resets),
            inputs=str(self.x.size),
            each="" if self.y.timeless else f"        {answer}\n",
            at_end=at_end if self.y.timeless else "",
        )

    def _looking_ahead(self) -> dict[str, str]:
        """What `process` does before it takes some steps, and `step` before it takes one."""
        name, lines = self.program.name, self.program.ahead
        if not lines:
            return dict.fromkeys(("ahead", "number", "one", "zero", "several", "index"), "")
        body, place = textwrap.indent("\n".join(lines), "    "), f"x + i * {self.x.size}"
        call = f"{name}_look_ahead(s, steps - i < {AHEAD} ? steps - i : {AHEAD}, {place});"
        return {
            "ahead": self._filled(templates.AHEAD, most=str(AHEAD), body=body),
            "number": ", int ahead",
            "one": f"    {name}_look_ahead(s, 1, x);\n",
            "zero": ", 0",
            "several": f"        if (i % {AHEAD} == 0)\n            {call}\n",
            "index": f", i % {AHEAD}",
        }

    def _self_test(self) -> str:
        x, y, tolerance = self.vectors
        first = y.size - self.y.size if self.y.timeless else 0
        gaps = x.dtype.kind == "f" and bool(np.isnan(x).any())
        return self._filled(
            templates.SELF_TEST,
            math="#include <math.h> /* NAN */\n" if gaps else "",
            steps=str(len(x)),
            x_size=str(x.size),
            x_values=_numbers(x, self.input_kind),
            y_size=str(y.size),
            y_values=_numbers(y, self.program.real),
            compared=str(y.size - first),
            first=f" + {first}" if first else "",
            tolerance=f"{tolerance:.3g}",
        )


_ZERO = {"float": "0.0f", "double": "0.0", "int64_t": "0"}


def _comment(lines: Iterable[str]) -> str:
    wrapped = [part for line in lines for part in textwrap.wrap(line.replace("*/", "* /"), 116) or [""]]
    return "/* " + "\n".join(f"   {line}".rstrip() for line in wrapped).lstrip() + " */\n"


def _body(parts: Sequence[str]) -> str:
    """Lines of a function of s, which declares j if it needs it."""
    text = "\n".join(parts)
    declared = ["int j;"] if "for (j" in text else []
    unused = [] if "s->" in text else ["(void)s;"]
    return textwrap.indent("\n".join([*declared, *unused, *parts]), "    ")


def _numbers(values: Array, kind: str) -> str:
    suffix = "f" if kind == "float" else ""
    words = ["NAN" if word == "nan" else f"{word}{suffix}" for word in values.ravel().astype(str)]
    return ",\n    ".join(", ".join(words[k : k + 8]) for k in range(0, len(words), 8))


def quoted(text: str) -> str:
    """Return a string of C, in bytes of UTF-8."""
    escaped = "".join(
        chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode("utf-8", "replace")
    )
    return f'"{escaped}"'
