"""The conventions of others: how each system names, orders and orients its weights.

Every system is one row of `LAYOUTS`, as data. Conversion goes through *blocks*: for each layer and direction,
a dict from (matrix, gate) to the rows of that gate in our own form, whose update gate keeps the old state.

Arrays in, arrays out; no layer is known here, and nothing that comes out shares memory with what came in.
"""

from gatewise.layouts.conversion import convert, from_params, to_params
from gatewise.layouts.layout import BIASES, Layout, Slot
from gatewise.layouts.table import LAYOUTS

__all__ = ["BIASES", "LAYOUTS", "Layout", "Slot", "convert", "from_params", "to_params"]
