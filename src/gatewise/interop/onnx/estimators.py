"""Fitted estimators as ONNX graphs."""

from __future__ import annotations

from typing import Any

from gatewise.errors import GatewiseTypeError


def estimator_model(model: Any, lengths: bool) -> Any:
    """Return a fitted estimator as an onnx.ModelProto."""
    raise GatewiseTypeError(f"a {type(model).__name__} cannot be written to ONNX; need a layer or a fitted estimator.")
