"""Layers: each a forward and a hand-written backward pass that keep nothing between calls."""

from gatewise.layers.cell import GRUCell, LSTMCell, RNNCell
from gatewise.layers.dense import Dense
from gatewise.layers.dropout import Dropout
from gatewise.layers.embedding import Embedding
from gatewise.layers.hard import HardGRU, HardLSTM
from gatewise.layers.last import Last
from gatewise.layers.layer import Layer
from gatewise.layers.noise import Noise
from gatewise.layers.own import OWN, OwnRecurrent, define_cell
from gatewise.layers.parallel import Parallel
from gatewise.layers.pool import Pool
from gatewise.layers.recurrent import GRU, LSTM, RECURRENT, RNN, LSTMState, MinGRU
from gatewise.layers.reverse import Reverse
from gatewise.layers.sequential import Sequential
from gatewise.layers.softmax import Softmax
from gatewise.layers.stack import Recurrent
from gatewise.layers.stepper import Stepper

__all__ = [
    "GRU",
    "LSTM",
    "OWN",
    "RECURRENT",
    "RNN",
    "Dense",
    "Dropout",
    "Embedding",
    "GRUCell",
    "HardGRU",
    "HardLSTM",
    "LSTMCell",
    "LSTMState",
    "Last",
    "Layer",
    "MinGRU",
    "Noise",
    "OwnRecurrent",
    "Parallel",
    "Pool",
    "RNNCell",
    "Recurrent",
    "Reverse",
    "Sequential",
    "Softmax",
    "Stepper",
    "define_cell",
]
