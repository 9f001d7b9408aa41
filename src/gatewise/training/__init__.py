"""Training: the gradients of one batch, loops that can be stopped and continued, `train` and `train_stream`."""

from gatewise.training.checkpoint import Checkpoint
from gatewise.training.epochs import train
from gatewise.training.gradients import BatchGradients, batch_gradients
from gatewise.training.history import History
from gatewise.training.loop import TrainingLoop
from gatewise.training.online import OnlineClassifier, OnlineRegressor
from gatewise.training.rows import ContiguousRows, contiguous_rows
from gatewise.training.stream import train_stream
from gatewise.training.stream_loop import StreamLoop

__all__ = [
    "BatchGradients",
    "Checkpoint",
    "ContiguousRows",
    "History",
    "OnlineClassifier",
    "OnlineRegressor",
    "StreamLoop",
    "TrainingLoop",
    "batch_gradients",
    "contiguous_rows",
    "train",
    "train_stream",
]
