"""Write rosetta.npz: recurrent networks as PyTorch, Keras, Flax, Haiku and ONNX run them, with their own arrays.

Run it where these are installed (torch 2.13, keras 3.15 with KERAS_BACKEND=torch, flax 0.12, dm-haiku 0.0.17, onnx and
onnxruntime): python tests/golden/make_rosetta.py. For each case, NAME|x and NAME|y are input and output (batch, time,
size), NAME|w|PATH the weights, and `cases` is JSON: name to layout, cell and hints.
"""

import json
import os
import re
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import haiku as hk
import jax
import jax.numpy as jnp
import keras
import numpy as np
import onnx
import onnxruntime
import torch
from flax import linen, nnx
from keras.src.backend.common import dtypes
from onnx.reference import ReferenceEvaluator

D, H, T, B = 3, 4, 5, 2
jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")
keras_result_type = dtypes.result_type
# Keras 3 computes the product of two float64 arrays in float32; here it is to compute it as given.
dtypes.result_type = lambda *kinds: "float64" if any("float64" in str(k) for k in kinds) else keras_result_type(*kinds)
torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(0)
X = rng.normal(size=(B, T, D))
arrays, cases = {}, {}
DOUBLE = {"param_dtype": jnp.float64, "dtype": jnp.float64}  # to Flax


def random_like(array):
    return rng.normal(size=np.shape(array), scale=0.6)


def keep(name, layout, cell, weights, y, x=X, **hints):
    """Add one case; `weights` may be nested."""
    cases[name] = {"layout": layout, "cell": cell, "hints": hints}
    arrays.update({f"{name}|x": x, f"{name}|y": np.asarray(y)})
    arrays.update({f"{name}|w|{path}": array for path, array in flat(weights).items()})


def flat(tree, before=""):
    found = {}
    for key, value in tree.items():
        found |= flat(value, f"{before}{key}/") if hasattr(value, "items") else {before + key: np.asarray(value)}
    return found


def make_torch():
    stacks = {"plain": {}, "deep": {"num_layers": 2, "bidirectional": True}, "unbiased": {"bias": False}}
    kinds = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}
    for kind, module_class in kinds.items():
        for stack, options in stacks.items():
            relu = {"nonlinearity": "relu"} if kind == "rnn" and stack == "deep" else {}
            module = module_class(D, H, batch_first=True, **options, **relu)
            for parameter in module.parameters():
                parameter.data = torch.tensor(random_like(parameter))
            y = module(torch.tensor(X))[0].detach().numpy()
            state = {key: value.numpy() for key, value in module.state_dict().items()}
            keep(f"torch {kind} {stack}", "torch", kind, state, y, **relu)
    cell = torch.nn.GRUCell(D, H)
    state = {key: value.numpy() for key, value in cell.state_dict().items()}
    keep("torch gru cell", "torch", "gru", state, cell(torch.tensor(X[:, 0])).detach().numpy()[:, None], X[:, :1])


def make_keras():
    layers = keras.layers
    makers = {
        "gru after": lambda **o: layers.GRU(H, return_sequences=True, **o),
        "gru before": lambda **o: layers.GRU(H, return_sequences=True, reset_after=False, **o),
        "lstm": lambda **o: layers.LSTM(H, return_sequences=True, **o),
        "rnn": lambda **o: layers.SimpleRNN(H, return_sequences=True, **o),
    }
    for kind, make in makers.items():
        cell = kind.split()[0]
        for what, layer in (
            ("", make()),
            (" unbiased", make(use_bias=False)),
            (" both", layers.Bidirectional(make())),
        ):
            layer.build((B, T, D))
            layer.set_weights([random_like(w) for w in layer.get_weights()])
            weights = {w.path: np.asarray(a) for w, a in zip(layer.weights, layer.get_weights(), strict=True)}
            hints = {"reset": "before"} if kind == "gru before" and what == " unbiased" else {}
            y = layer(X).detach().numpy()
            keep(f"keras {kind}{what}", "keras", cell, weights, y, **hints)


def make_linen():
    cells = {
        "gru": linen.GRUCell,
        "lstm": linen.LSTMCell,
        "lstm optimized": linen.OptimizedLSTMCell,
        "rnn": linen.SimpleCell,
    }
    for kind, cell in cells.items():
        one = linen.RNN(cell(H, **DOUBLE))
        both = linen.Bidirectional(linen.RNN(cell(H, **DOUBLE)), linen.RNN(cell(H, **DOUBLE)))
        for what, module in (("", one), (" both", both)):
            tree = jax.tree_util.tree_map(random_like, module.init(jax.random.key(0), X))
            keep(f"flax {kind}{what}", "flax", kind.split()[0], tree, module.apply(tree, X))


def make_nnx():
    cells = {
        "gru": nnx.GRUCell,
        "lstm": nnx.LSTMCell,
        "lstm optimized": nnx.OptimizedLSTMCell,
        "rnn": nnx.SimpleCell,
    }
    for kind, cell in cells.items():
        module = cell(D, H, **DOUBLE, rngs=nnx.Rngs(0))
        state = jax.tree_util.tree_map(lambda a: jnp.asarray(random_like(a)), nnx.state(module, nnx.Param))
        nnx.update(module, state)
        y = nnx.RNN(module)(jnp.asarray(X))
        keep(f"nnx {kind}", "nnx", kind.split()[0], nnx.to_pure_dict(state), y)


def make_haiku():
    for kind, core in {"gru": hk.GRU, "lstm": hk.LSTM, "rnn": hk.VanillaRNN}.items():

        def run(x, core=core):
            cell = core(H)
            return hk.dynamic_unroll(cell, x, cell.initial_state(B), time_major=False)[0]

        network = hk.without_apply_rng(hk.transform(run))
        tree = jax.tree_util.tree_map(random_like, network.init(jax.random.PRNGKey(0), jnp.asarray(X)))
        keep(f"haiku {kind}", "haiku", kind, tree, network.apply(tree, jnp.asarray(X)))


def onnx_model(operator, inputs, dtype, directions, **attributes):
    kind = {np.float32: onnx.TensorProto.FLOAT, np.float64: onnx.TensorProto.DOUBLE}[dtype]
    direction = "bidirectional" if directions == 2 else "forward"
    node = onnx.helper.make_node(
        operator, ["X", "W", "R", "B"], ["Y"], hidden_size=H, direction=direction, **attributes
    )
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info("X", kind, [T, B, D])],
        [onnx.helper.make_tensor_value_info("Y", kind, [T, directions, B, H])],
        [onnx.numpy_helper.from_array(array.astype(dtype), name) for name, array in inputs.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def make_onnx():
    """In float64 by ONNX's reference, which has one direction; in float32 by ONNX Runtime in both."""
    forms = {
        "gru before": ("GRU", 3, {"linear_before_reset": 0}, {}),
        "gru after": ("GRU", 3, {"linear_before_reset": 1}, {"reset": "after"}),
        "lstm": ("LSTM", 4, {}, {}),
        "rnn": ("RNN", 1, {}, {}),
    }
    for kind, (operator, G, attributes, hints) in forms.items():
        for dtype, directions in ((np.float64, 1), (np.float32, 2)):
            shapes = {"W": (directions, G * H, D), "R": (directions, G * H, H), "B": (directions, 2 * G * H)}
            weights = {name: random_like(np.empty(shape)).astype(dtype) for name, shape in shapes.items()}
            model, x = onnx_model(operator, weights, dtype, directions, **attributes), X.astype(dtype)
            feed = {"X": x.swapaxes(0, 1)}
            if dtype is np.float64:
                (Y,) = ReferenceEvaluator(model).run(None, feed)[:1]
            else:
                (Y,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)
            y = Y.transpose(2, 0, 1, 3).reshape(B, T, directions * H)
            name = f"onnx {kind}" + " both" * (directions == 2)
            keep(name, "onnx", kind.split()[0], weights, y, x, **hints)


if __name__ == "__main__":
    for make in (make_torch, make_keras, make_linen, make_nnx, make_haiku, make_onnx):
        make()
    arrays["cases"] = np.array(json.dumps(cases))
    np.savez_compressed(Path(__file__).with_name("rosetta.npz"), **arrays)
    versions = {re.sub(r"\W", "", m.__name__): m.__version__ for m in (torch, keras, jax, hk, onnx, onnxruntime)}
    print(len(cases), "cases;", versions)
