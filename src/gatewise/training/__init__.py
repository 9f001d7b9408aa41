"""Training: the gradients of one batch, a loop that can be stopped and continued at any step, and `train` over both."""

from gatewise.training.epochs import train
from gatewise.training.gradients import BatchGradients, batch_gradients
from gatewise.training.history import History
from gatewise.training.loop import TrainingLoop

__all__ = ["BatchGradients", "History", "TrainingLoop", "batch_gradients", "train"]
