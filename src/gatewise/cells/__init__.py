"""The equations: one file per cell, each a pair of pure functions in the letters of the mathematics."""

from gatewise.cells import gru, lstm, mingru, rnn
from gatewise.cells.cell import Cell, Record, State

FORMS: dict[str, Cell] = {
    cell.form: cell for cell in (gru.RESET_AFTER, gru.RESET_BEFORE, lstm.LSTM, *rnn.FORMS.values(), mingru.MINGRU)
}
"""Every cell of the library by its form, in the order of certificates and tables."""

__all__ = ["FORMS", "Cell", "Record", "State"]
