"""Stack, direction, lengths and dropout of recurrent layers, written once for every cell.

Shapes, with B sequences, T steps, D inputs, H units, L layers and S directions (1 or 2):

    x (B, T, D)    y (B, T, S·H)    state (L·S, B, H): layer by layer, forward then reverse
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from gatewise import recurrence
from gatewise.cells import Cell, State
from gatewise.errors import (
    Array,
    GatewiseTypeError,
    check_array,
    check_choice,
    check_dtype,
    check_number,
)
from gatewise.layers import checkpoints, initializers
from gatewise.layers.checkpoints import Column
from gatewise.layers.directions import (
    in_order,
    masked,
    nth,
    of_direction,
    parameter_names,
    side_by_side,
    stack_states,
)
from gatewise.layers.layer import Rng, check_tape, generator
from gatewise.layers.padding import blank, checked_steps
from gatewise.layers.recurrent_weights import RecurrentWeights
from gatewise.layers.tape import RecurrentTape
from gatewise.recurrence import Pass, Run, Weights

Masks = tuple[Array | None, ...]


class Recurrent(RecurrentWeights):
    """A stack of recurrent layers in one or two directions: all that does not depend on the cell."""

    kind: ClassVar[str]
    """Name of the network: in `RECURRENT`, in `gatewise.layouts`, and before "/" in the forms of its cells."""
    option: ClassVar[str | None] = None
    """Name of the argument that chooses among the forms of the cell: "reset", "nonlinearity"; None if there is one."""
    choices: ClassVar[Mapping[str, Cell]] = {}
    """The cell that each value of `option` chooses."""
    State: ClassVar[Any] = None
    """Named tuple of the states; None if there is one, which is then an array."""
    cell: Cell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
        init: str = "uniform",
        tape: str = "store",
    ) -> None:
        check_number("input_size", input_size, 1, integer=True)
        check_number("hidden_size", hidden_size, 1, integer=True)
        check_number("num_layers", num_layers, 1, integer=True)
        check_number("dropout", dropout, 0, 1)
        check_choice("bidirectional", bidirectional, (False, True))
        check_choice("bias", bias, (False, True))
        check_choice("init", init, ("uniform", "orthogonal"))
        check_choice("tape", tape, ("store", "recompute", "checkpoint"))
        self.input_size = int(input_size)
        self.hidden_size = int(hidden_size)
        self.num_layers = int(num_layers)
        self.bidirectional = bool(bidirectional)
        self.bias = bool(bias)
        self.dropout = float(dropout)
        self.tape = tape
        self.dtype = check_dtype(dtype)
        self.params = self._initial_params(generator(rng), init)

    @classmethod
    def form_options(cls) -> dict[str, dict[str, Any]]:
        """Return the arguments that choose each form of the cell, by its identity.

        Examples
        --------
        >>> import gatewise as gw
        >>> gw.GRU.form_options(), gw.LSTM.form_options()
        ({'gru/after': {'reset': 'after'}, 'gru/before': {'reset': 'before'}}, {'lstm': {}})
        """
        if cls.option is None:
            return {cls.cell.form: {}}
        return {cell.form: {cls.option: value} for value, cell in cls.choices.items()}

    def config(self) -> dict[str, Any]:  # noqa: D102
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "bias": self.bias,
            "dropout": self.dropout,
            "dtype": self.dtype.name,
            "tape": self.tape,
            **self.form_options()[self.cell.form],
        }

    def __call__(self, x: Array, state: Any = None, *, lengths: Any = None) -> tuple[Array, Any]:
        """Inference: return y (batch, time, directions·H) and the final state; the arguments are those of `forward`."""
        y, initial, lengths = self._started(x, state, lengths)
        finals: list[Array] = []
        for layer in range(self.num_layers):
            outputs = []
            for k in range(self.directions):
                weights, start = self._weights(layer, k, copy=False), nth(initial, len(finals))
                h, final = recurrence.output(self.cell, in_order(y, k, lengths), weights, start, lengths)
                outputs.append(in_order(h, k, lengths))
                finals.append(final)
            y = side_by_side(outputs)
        return y, self._pack(stack_states(finals))

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, Any, RecurrentTape]:
        """Run the layer over whole sequences.

        Parameters
        ----------
        x : ndarray (batch, time, input_size)
            Input, of the layer's dtype, finite within each sequence's length.
        state : ndarray (layers·directions, batch, H) or LSTMState of two such arrays, optional
            Initial state; zeros if None.
        lengths : array of int (batch,), optional
            Valid steps of each sequence, 1 to time. What stands in x beyond them is ignored.
        training : bool
            Whether dropout between layers acts.
        rng : int or Generator, optional
            Source of the dropout masks; fresh entropy if None.

        Returns
        -------
        y : ndarray (batch, time, directions·H)
            Hidden states of the last layer; 0 past each length.
        state : ndarray or LSTMState
            State after the last valid step, in the shape of the argument.
        tape : RecurrentTape
            For `backward`; it names every gate and state. It holds copies of the weights, so that changing `params`
            before `backward` does not change the gradients of this pass.

        Raises
        ------
        GatewiseError
            If a shape, dtype, value or length does not fit.
        """
        y, initial, lengths = self._started(x, state, lengths)
        masks = self._dropout_masks(generator(rng) if training else None, y.shape[:2])
        if self.tape == "checkpoint":
            y, columns = self._columns(y, initial, lengths, masks)
            states = [state for column in columns for state in column.final]
            tape = RecurrentTape((), tuple(columns), lengths, masks, self.directions, self.identity)
            return y, self._pack(stack_states(states)), tape
        y, runs = self._pass(y, initial, lengths, masks, copy=True)
        tape = RecurrentTape(tuple(runs), (), lengths, masks, self.directions, self.identity)
        return y.copy() if self.directions == 1 else y, self._final(runs), tape

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator
    ) -> tuple[Array, RecurrentTape]:
        if self.tape != "store":
            return super().learning_forward(x, lengths, rng)
        masks = self._dropout_masks(rng, x.shape[:2])
        y, runs = self._pass(x, self._checked_state(None, len(x)), lengths, masks, copy=False)
        return y, RecurrentTape(tuple(runs), (), lengths, masks, self.directions, self.identity)

    def learning_backward(  # noqa: D102
        self, tape: RecurrentTape, dy: Array, needs_dx: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        if tape.columns:
            return super().learning_backward(tape, dy, needs_dx)
        dfinal = self._checked_state(None, len(dy))
        dx, _, grads, _ = self._carried_back(tape, dy, dfinal, keep_dstates=False, needs_dx=needs_dx)
        return dx if needs_dx else None, grads

    def _started(self, x: Array, state: Any, lengths: Any) -> tuple[Array, State, Array | None]:
        """Check the arguments of a pass; return x with 0 past each length, the initial state and the lengths."""
        check_array("x", x, ("batch", "time", self.input_size), self.dtype)
        lengths = checked_steps(x, lengths)
        return blank(x, lengths), self._checked_state(state, len(x)), lengths

    def _pass(
        self, y: Array, initial: State, lengths: Array | None, masks: Masks, copy: bool
    ) -> tuple[Array, list[Run]]:
        """Run all layers on y; return the output and the runs, to which the output of a single direction belongs.

        The runs hold copies of what they have read, unless not to `copy`.
        """
        runs: list[Run] = []
        directions, record = self.directions, self.tape == "store"
        for layer in range(self.num_layers):
            y, theirs = masked(y, masks[layer]), layer == 0 and lengths is None
            for k in range(directions):
                x_run = in_order(y, k, lengths, copy=copy and theirs)
                weights, start = self._weights(layer, k, copy=copy), nth(initial, len(runs), copy=copy)
                runs.append(recurrence.forward(self.cell, x_run, weights, start, lengths, record=record))
            y = side_by_side([in_order(run.states[0], k, lengths) for k, run in enumerate(runs[-directions:])])
        return y, runs

    def _columns(self, y: Array, initial: State, lengths: Array | None, masks: Masks) -> tuple[Array, list[Column]]:
        """Run all layers on y as `_pass` does; return the output, which belongs to nothing else, and the columns."""
        columns: list[Column] = []
        for layers in self._floors():
            y = masked(y, masks[layers[0]])
            outputs = []
            for k in range(self.directions):
                weights = tuple(self._weights(layer, k, copy=True) for layer in layers)
                starts = tuple(nth(initial, layer * self.directions + k, copy=True) for layer in layers)
                x, inner = in_order(y, k, lengths, copy=True), (None, *masks[layers[0] + 1 : layers[-1] + 1])
                output, column = checkpoints.forward(self.cell, x, weights, inner, starts, lengths)
                outputs.append(in_order(output, k, lengths))
                columns.append(column)
            y = side_by_side(outputs)
        return y, columns

    def _floors(self) -> list[range]:
        """The layers whose columns a sequence passes one after the other: with two directions each waits for both."""
        layers = range(self.num_layers)
        return [layers] if self.directions == 1 else [layers[layer : layer + 1] for layer in layers]

    def _final(self, runs: list[Run]) -> Any:
        return self._pack(stack_states([run.final for run in runs]))

    def backward(self, tape: RecurrentTape, dy: Array, dstate: Any = None) -> tuple[Array, Any, dict[str, Array]]:
        """Carry the gradients of output and final state back to input, initial state and parameters.

        Parameters
        ----------
        tape : RecurrentTape
            The third result of `forward`. It is not consumed: calling again gives the same numbers.
        dy : ndarray (batch, time, directions·H)
            Gradient of the loss with respect to y; ignored past each length.
        dstate : ndarray or LSTMState, optional
            Gradient with respect to the final state, in its shape; zeros if None.

        Returns
        -------
        dx : ndarray (batch, time, input_size)
            Gradient of the input; 0 past each length.
        dstate : ndarray or LSTMState
            Gradient of the initial state.
        grads : dict of str to ndarray
            Gradient of every parameter, with the keys and shapes of `params`.

        Raises
        ------
        GatewiseError
            If the tape is another layer's, or a shape or dtype does not fit.
        """
        if isinstance(tape, RecurrentTape) and tape.columns:
            return self._backward_columns(tape, *self._checked_gradients(tape, dy, dstate))
        return self._backward(tape, dy, dstate, keep_dstates=False)[:3]

    def backward_passes(  # noqa: D102
        self, tape: RecurrentTape, dy: Array, dstate: Any = None
    ) -> tuple[Array, Any, dict[str, Array], tuple[Pass, ...]]:
        return self._backward(tape, dy, dstate, keep_dstates=True)

    def _backward(
        self, tape: RecurrentTape, dy: Array, dstate: Any, keep_dstates: bool
    ) -> tuple[Array, Any, dict[str, Array], tuple[Pass, ...]]:
        return self._carried_back(tape, *self._checked_gradients(tape, dy, dstate), keep_dstates)

    def _carried_back(
        self, tape: RecurrentTape, dy: Array, dfinal: State, keep_dstates: bool, needs_dx: bool = True
    ) -> tuple[Array, Any, dict[str, Array], tuple[Pass, ...]]:
        passes: list[Pass] = []
        runs = tape.runs
        for layer in reversed(range(self.num_layers)):
            needed = needs_dx or layer > 0
            dx, of_layer = self._backward_layer(layer, runs, tape.lengths, dy, dfinal, keep_dstates, needed)
            dy = masked(dx, tape.masks[layer])
            passes = of_layer + passes
        dstate = self._pack(stack_states([p.dinitial for p in passes]))
        return dy, dstate, self._named_gradients([p.gradients for p in passes]), tuple(passes)

    def _checked_gradients(self, tape: RecurrentTape, dy: Array, dstate: Any) -> tuple[Array, State]:
        check_tape(tape, RecurrentTape, self)
        B, T, _ = (tape.kept or tape.columns)[0].x.shape
        dy = blank(check_array("dy", dy, (B, T, self.output_size), self.dtype), tape.lengths)
        return dy, self._checked_state(dstate, B, "dstate")

    def _backward_columns(self, tape: RecurrentTape, dy: Array, dfinal: State) -> tuple[Array, Any, dict[str, Array]]:
        columns = list(tape.columns)
        dinitial: list[Array] = []
        gradients: list[Weights] = []
        for layers in reversed(self._floors()):
            of_floor = []
            for k in range(self.directions):
                dh, column = of_direction(dy, k, self.directions), columns[k - self.directions]
                ends = tuple(nth(dfinal, layer * self.directions + k) for layer in layers)
                of_floor.append(checkpoints.backward(column, in_order(dh, k, tape.lengths) if k else dh, ends))
            del columns[-self.directions :]
            dinitial[:0] = [state for _, states, _ in of_floor for state in states]
            gradients[:0] = [weights for _, _, parts in of_floor for weights in parts]
            dxs = [in_order(dx, k, tape.lengths) for k, (dx, _, _) in enumerate(of_floor)]
            dy = masked(sum(dxs[1:], start=dxs[0]), tape.masks[layers[0]])
        return dy, self._pack(stack_states(dinitial)), self._named_gradients(gradients)

    def _backward_layer(
        self,
        layer: int,
        runs: tuple[Run, ...],
        lengths: Array | None,
        dy: Array,
        dfinal: State,
        keep_dstates: bool,
        needs_dx: bool,
    ) -> tuple[Array, list[Pass]]:
        """Return the gradient of what one layer reads, and its pass in each direction."""
        dxs, passes = [], []
        for k in range(self.directions):
            dh, index = of_direction(dy, k, self.directions), layer * self.directions + k
            dx, passed = recurrence.backward_pass(
                runs[index], in_order(dh, k, lengths), nth(dfinal, index), keep_dstates=keep_dstates, needs_dx=needs_dx
            )
            dxs.append(in_order(dx, k, lengths) if needs_dx else dx)
            passes.append(passed)
        return sum(dxs[1:], start=dxs[0]), passes

    def _named_gradients(self, gradients: list[Weights]) -> dict[str, Array]:
        names = (name for k in range(len(gradients)) for name in parameter_names(*divmod(k, self.directions)))
        pairs = zip(names, (gradient for weights in gradients for gradient in weights), strict=True)
        return {name: gradient for name, gradient in pairs if name in self.params}

    def _dropout_masks(self, rng: np.random.Generator | None, rows: tuple[int, ...]) -> Masks:
        """One for the input of each layer, all of the same output size; None for that of the first."""
        if rng is None or not self.dropout:
            return (None,) * self.num_layers
        shape = (*rows, self.output_size)
        masks = (initializers.dropout_mask(rng, shape, self.dropout, self.dtype) for _ in range(1, self.num_layers))
        return (None, *masks)

    def _checked_state(self, state: Any, batch: int, name: str = "state") -> State:
        shape = (self.num_layers * self.directions, batch, self.hidden_size)
        if state is None:
            return tuple([np.zeros(shape, self.dtype) for _ in self.cell.states])
        parts = self._unpack(state, name)
        for label, part in zip(self.cell.states, parts, strict=True):
            check_array(name if len(parts) == 1 else f"{name} ({label})", part, shape, self.dtype)
        return parts

    def _pack(self, state: State) -> Any:
        return state[0] if self.State is None else self.State(*state)

    def _unpack(self, state: Any, name: str) -> State:
        if self.State is None:
            return (state,)
        if not isinstance(state, tuple) or len(state) != len(self.cell.states):
            package = "gw." if self.State.__module__.startswith("gatewise.") else ""
            need = f"{package}{self.State.__qualname__}({', '.join(self.State._fields)})"
            raise GatewiseTypeError(f"{name} is a {type(state).__name__}; need {need}, or a tuple of these arrays.")
        return tuple(state)
