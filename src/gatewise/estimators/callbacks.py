"""scikit-learn's callbacks (`sklearn.callback`, from version 1.9 on) for the epochs of a fit; nothing before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
    from sklearn.callback import with_callbacks as _managed
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""

    def _managed(method: Any) -> Any:
        return method


Method = TypeVar("Method", bound=Callable[..., Any])


def with_callbacks(method: Method) -> Method:
    """Let a `fit` set its callbacks up and tear them down, however it ends."""
    managed: Method = _managed(method)
    return managed


class Epochs:
    """Tells the callbacks set on an estimator where its fit and each of its epochs begin and end.

    `arguments` is what hooks may ask for: X, y and metadata, as they came. Of the network they get a copy, made only if
    a hook asks for it.
    """

    def __init__(self, estimator: Any, count: int, **arguments: Any) -> None:
        self._estimator, self._count, self._arguments = estimator, count, arguments
        self._fit: Any = None
        self._epoch: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self._fit = estimator._init_callback_context(max_subtasks=count)
            self._fit.call_on_fit_task_begin(estimator=estimator, **arguments)
            self._begin()

    def end(self, record: dict[str, Any], model: Any) -> bool:
        """End an epoch and begin the next; return whether a callback asks to stop. A callback of `gatewise.train`."""
        if self._epoch is None:
            return False
        stop = bool(self._epoch.call_on_fit_task_end(**self._now()))
        self._epoch = None
        if record["epoch"] < self._count and not stop:
            self._begin()
        return stop

    def close(self) -> None:
        """End the fit, and an epoch that was begun but not run."""
        for task in (self._epoch, self._fit):
            if task is not None:
                task.call_on_fit_task_end(**self._now())

    def _begin(self) -> None:
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._now())

    def _now(self) -> dict[str, Any]:
        def network() -> dict[str, Any]:
            model = self._estimator.model_
            return {"model_": model.astype(model.dtype)}

        return {"estimator": self._estimator, **self._arguments, "reconstruction_attributes": network}


class NetworkEpochs:
    """Tells the callbacks set on a forecaster of each epoch of each of its networks, whose number nobody knows ahead.

    `arguments` is what hooks may ask for: X, y and metadata, as they came. Once a callback asks to stop, every network
    stops after the epoch it is in.
    """

    def __init__(self, estimator: Any, **arguments: Any) -> None:
        self._estimator, self._arguments, self._stopped = estimator, arguments, False
        self._fit: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self._fit = estimator._init_callback_context(max_subtasks=None)
            self._fit.call_on_fit_task_begin(estimator=estimator, **arguments)

    @property
    def hooks(self) -> tuple[Callable[[dict[str, Any], Any], bool], ...]:
        """`end`, if any callback is set that could want to hear of epochs."""
        return (self.end,) if getattr(self._estimator, "_skl_callbacks", ()) else ()

    def end(self, record: dict[str, Any], model: Any) -> bool:
        """Begin and end the task of an epoch; return whether to stop. A callback of `gatewise.train`."""
        if self._fit is None:
            return False
        told = {"estimator": self._estimator, **self._arguments}
        told["reconstruction_attributes"] = lambda: {"networks_": (model.astype(model.dtype),)}
        epoch = self._fit.subcontext(task_name="epoch")
        epoch.call_on_fit_task_begin(**told)
        self._stopped |= bool(epoch.call_on_fit_task_end(**told))
        return self._stopped

    def close(self) -> None:
        """End the fit."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(estimator=self._estimator, **self._arguments)
