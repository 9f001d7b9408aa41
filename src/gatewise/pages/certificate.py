"""The section on the certificate: this model's gradients held against central differences."""

from __future__ import annotations

from gatewise.gradcheck import TOLERANCE, gradcheck
from gatewise.layers import Layer
from gatewise.pages.content import Section, TextTable
from gatewise.pages.words import count

SAMPLES = 4


def certificate_section(network: Layer) -> Section:
    """Return the certificate of this very network, on a float64 copy of its weights."""
    report = gradcheck(network, samples=SAMPLES, rng=0)
    verdict = "All gradients are right" if report.ok else "A gradient is wrong"
    rows = [
        [c.name, " × ".join(map(str, c.shape)), f"{c.direction:.1e}", f"{c.element:.1e}", _verdict(c.worst)]
        for c in report.checks
    ]
    header = ["Array", "Shape", "Along a direction", "Single elements", ""]
    return Section(
        id="certificate",
        heading="Certificate",
        intro=f"{verdict}: {count(len(report.checks), 'array')} of this model, float64, each against central "
        f"differences on random input. The worst relative error is {report.worst:.1e}, the tolerance "
        f"{TOLERANCE:.0e}.",
        tables=[TextTable("Relative error of each array's gradient", header, rows, open=len(rows) <= 12)],
    )


def _verdict(error: float) -> str:
    return "ok" if error <= TOLERANCE else "wrong"
