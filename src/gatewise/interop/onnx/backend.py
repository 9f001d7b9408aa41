"""ONNX's backend interface: what runs ONNX's own tests, and code written for any backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx.backend.base import Backend as OnnxBackend
from onnx.backend.base import BackendRep

from gatewise.errors import Array, GatewiseError, GatewiseValueError
from gatewise.interop.onnx import limits
from gatewise.interop.onnx.graph import Graph, build, node_of
from gatewise.interop.onnx.reading import NEWEST, read


class PreparedModel(BackendRep):
    """A model that is ready to run."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Array, ...]:
        """Return all outputs for inputs by name, in order, or the only one."""
        single = not isinstance(inputs, dict | list | tuple)
        return tuple(self.graph.run([inputs] if single else inputs))


class Backend(OnnxBackend):
    """Gatewise as a backend of ONNX, on the CPU.

    Examples
    --------
    >>> import numpy as np
    >>> from onnx import helper
    >>> node = helper.make_node("Add", ["a", "b"], ["c"])
    >>> Backend.run_node(node, [np.ones(2), np.ones(2)])
    (array([2., 2.]),)
    """

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether `device` is the CPU."""
        return device.partition(":")[0].upper() == "CPU"

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether every operator, attribute and element type of the model is one that is evaluated."""
        try:
            cls.prepare(model, device)
        except GatewiseError:
            return False
        return True

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> PreparedModel:
        """Return the model ready to run.

        Parameters
        ----------
        model : onnx.ModelProto, bytes or path
        device : str

        Raises
        ------
        GatewiseError
            If the model cannot be read or evaluated, or the device is not the CPU.
        """
        cls._check_device(device)
        return PreparedModel(build(read(model)))

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Array, ...]:
        """Return all outputs of a model."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: Any,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> tuple[Array, ...]:
        """Return the outputs of one node; `opset_version=` says of which opset it is, the newest unless given."""
        cls._check_device(device)
        made = node_of(node, int(kwargs.get("opset_version", NEWEST)), None)
        names = [name for name in made.inputs if name]
        values = dict(inputs) if isinstance(inputs, dict) else dict(zip(names, inputs, strict=True))
        with limits.at_most(limits.MAX_STEPS):
            results = made(values)
        return tuple(results[name] for name in made.outputs if name)

    @classmethod
    def _check_device(cls, device: str) -> None:
        if not cls.supports_device(device):
            raise GatewiseValueError(f"device is {device!r}; need 'CPU'.")


prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device
is_compatible = Backend.is_compatible
