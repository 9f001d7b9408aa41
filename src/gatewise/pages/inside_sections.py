"""What a page says of one network: its gates, gradient flow, weights and certificate, and the lines of its card."""

from __future__ import annotations

import platform

import numpy as np

from gatewise import __version__
from gatewise.layers import Layer
from gatewise.layers.parts import plain_layers
from gatewise.pages.certificate import certificate_section
from gatewise.pages.content import Section
from gatewise.pages.flow import flow_sections
from gatewise.pages.gates import gate_sections
from gatewise.pages.inside import Inside
from gatewise.pages.spectra import spectrum_sections
from gatewise.pages.words import count


def inside_sections(inside: Inside) -> list[Section]:
    """Return the sections on this network; those on gates and gradients only if it has a recurrent layer."""
    sections = [*gate_sections(inside), *flow_sections(inside), *spectrum_sections(inside.network)]
    return [*sections, certificate_section(inside.network)]


def inside_facts(inside: Inside) -> dict[str, str]:
    """Return the model card's lines that can be read off the network and its input."""
    network = inside.network
    weights = sum(value.size for value in network.params.values())
    parts = [layer for _, layer, _ in plain_layers(network)]
    versions = f"Gatewise {__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    return {
        "Layers": " → ".join(_described(part) for part in parts),
        "Parameters": f"{weights:,} numbers, {network.dtype}, in {count(len(network.params), 'array')}",
        "Versions": versions,
    }


def _described(layer: Layer) -> str:
    """Return the layer with its sizes and what differs from the plain one."""
    kind = type(layer).__name__
    sizes = [getattr(layer, name, None) for name in ("input_size", "output_size")]
    change = f" {sizes[0]} → {sizes[1]}" if None not in sizes else ""
    options = {
        "two directions": getattr(layer, "bidirectional", False),
        f"{getattr(layer, 'num_layers', 1)} layers": getattr(layer, "num_layers", 1) > 1,
        f"reset {getattr(layer, 'reset', '')}": getattr(layer, "reset", "after") != "after",
    }
    named = [text for text, present in options.items() if present]
    return kind + change + (f" ({', '.join(named)})" if named else "")
