"""What PyTorch's modules show of themselves, without PyTorch: class names, attributes, children and a state_dict."""

import numpy as np


class Tensor:
    """A tensor as `state_dict` holds it."""

    def __init__(self, array, error=None):
        self.array, self.error = array, error

    def detach(self):
        return self

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        if self.error:
            raise TypeError(self.error)
        return self.array


class Module:
    def __init__(self, arrays=(), children=(), **attributes):
        self._arrays, self._children = dict(arrays), dict(children)
        vars(self).update(attributes)

    def named_children(self):
        return iter(self._children.items())

    def named_parameters(self, recurse=True):
        return iter(self._arrays.items())

    def named_buffers(self, recurse=True):
        return iter(())

    def state_dict(self):
        arrays = {name: Tensor(array) for name, array in self._arrays.items()}
        for key, child in self._children.items():
            arrays |= {f"{key}.{name}": tensor for name, tensor in child.state_dict().items()}
        return arrays


def module(name, arrays=(), children=(), **attributes):
    """A module of the PyTorch class `name`."""
    return type(name, (Module,), {"__module__": "torch.nn.modules"})(arrays, children, **attributes)


def recurrent(name, arrays, **attributes):
    return module(name, arrays, **{"dropout": 0.0, "nonlinearity": "tanh", "proj_size": 0} | attributes)


def linear(inputs, outputs, rng, bias=True):
    arrays = {"weight": rng.normal(size=(outputs, inputs))} | ({"bias": rng.normal(size=outputs)} if bias else {})
    return module("Linear", arrays)


def embedding(count, size, rng, max_norm=None):
    return module("Embedding", {"weight": rng.normal(size=(count, size))}, max_norm=max_norm)


def container(*children, name="Sequential"):
    return module(name, children={str(i): child for i, child in enumerate(children)})


def half(array):
    return np.asarray(array, np.float16)
