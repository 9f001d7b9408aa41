"""ONNX Runtime: inference only, one GRU, LSTM or RNN operator with its weights as constants, time first."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from gatewise.bench.cases import Case, Problem, check_known, named_results
from gatewise.bench.systems import Task
from gatewise.errors import Array

ORDER = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2), "rnn": (0,)}  # z r n, i o f g: where each stands in our order


def versions() -> dict[str, str]:
    """Return the version of each package involved."""
    return {name: str(importlib.import_module(name).__version__) for name in ("onnxruntime", "onnx")}


def build(problem: Problem, threads: int) -> Task:
    """Return the network of a problem, ready to be called."""
    check_known(problem.case, ORDER)
    ort = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(_model(problem), options, providers=["CPUExecutionProvider"])
    feed = {"X": np.ascontiguousarray(problem.x.swapaxes(0, 1))}

    def infer() -> Any:
        return session.run(None, feed)

    def results() -> dict[str, Array]:
        return named_results(problem.case.cell, infer()[0][:, 0].swapaxes(0, 1))

    return Task({"infer": infer}, results)


best = build


def _model(problem: Problem) -> bytes:
    """Return a model of one operator, X (T, B, D) -> Y (T, 1, B, H), Y_h (1, B, H)."""
    onnx, (B, T, D, H) = importlib.import_module("onnx"), problem.case.shape
    helper = onnx.helper
    number = helper.np_dtype_to_tensor_dtype(np.dtype(problem.case.dtype))
    shapes = {"X": (T, B, D), "Y": (T, 1, B, H), "Y_h": (1, B, H)}
    values = [helper.make_tensor_value_info(name, number, shape) for name, shape in shapes.items()]
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in _weights(problem).items()]
    graph = helper.make_graph([_node(helper, problem.case)], "network", values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def _node(helper: Any, case: Case) -> Any:
    options = {"linear_before_reset": int(case.reset == "after")} if case.cell == "gru" else {}
    return helper.make_node(case.cell.upper(), ["X", "W", "R", "B"], ["Y", "Y_h"], hidden_size=case.shape.H, **options)


def _weights(problem: Problem) -> dict[str, Array]:
    """W (1, G·H, D), R (1, G·H, H), B (1, 2·G·H), gates in ONNX' order."""
    W, U, b, c = (_reordered(a, problem.case.cell) for a in problem.weights.values())
    return {"W": W[np.newaxis], "R": U[np.newaxis], "B": np.concatenate([b, c])[np.newaxis]}


def _reordered(a: Array, cell: str) -> Array:
    blocks = np.split(a, len(ORDER[cell]))
    return np.concatenate([blocks[gate] for gate in ORDER[cell]])
