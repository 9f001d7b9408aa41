"""What the constructors of the estimators take: one table of constraints, and the names that are taken no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions

from gatewise.descriptions import params_to_json
from gatewise.errors import GatewiseError, GatewiseTypeError
from gatewise.layers.registry import cell_name, recurrent_class

POOLING = {"last": ("last",), "mean": ("mean",), "max": ("max",), "all": ("last", "mean", "max")}
SOLVERS = ("adam", "sgd", "rmsprop", "adagrad")

COUNT = Interval(Integral, 1, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="both")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
AUTO = StrOptions({"auto"})

CONSTRAINTS: dict[str, list[Any]] = {
    "cell": [str, type],  # which ones: `layers.registry.recurrent_class`
    "hidden_size": [COUNT],
    "num_layers": [COUNT],
    "bidirectional": ["boolean"],
    "dropout": [SHARE],
    "solver": [StrOptions(set(SOLVERS))],
    "alpha": [NOT_NEGATIVE],
    "batch_size": [COUNT, AUTO],
    "learning_rate_init": [POSITIVE],
    "max_iter": [COUNT, None],
    "random_state": ["random_state"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="right")],
    "n_iter_no_change": [COUNT],
    "tol": [NOT_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "pooling": [StrOptions(set(POOLING))],
    "segments": [Interval(Integral, 0, None, closed="left")],
    "n_networks": [COUNT, AUTO],
    "input_dropout": [SHARE, AUTO],
    "noise": [NOT_NEGATIVE, AUTO],
    "output": [StrOptions({"last", "all"})],
    "downsample": [COUNT, AUTO],
    "ridge_share": [SHARE, AUTO],
}
"""scikit-learn's declaration of what classifier and regressor take."""


class ParameterError(GatewiseError, InvalidParameterError):  # type: ignore[misc]
    """A constructor argument that cannot be used; also scikit-learn's `InvalidParameterError`."""


class CheckedParameters(BaseEstimator):  # type: ignore[misc]
    """An estimator whose parameters are checked by a table, and which says what old names are called now."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}
    _renamed: ClassVar[dict[str, str]] = {}
    """New names of parameters by their old ones."""

    def __new__(cls, *_: Any, **params: Any) -> Self:
        """Refuse old names before the constructor, which stays explicit, as scikit-learn reads it, meets them."""
        cls._refuse_old_names(params)
        new: Self = super().__new__(cls)
        return new

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, as scikit-learn does."""
        self._refuse_old_names(params)
        super().set_params(**params)
        return self

    @classmethod
    def _refuse_old_names(cls, names: Iterable[str]) -> None:
        for name in names:
            if name in cls._renamed:
                new = cls._renamed[name]
                raise GatewiseTypeError(f"{cls.__name__} has no parameter {name!r} any more; need {new!r}: rename it.")

    @classmethod
    def _with_new_names(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of an old file under the names they have now."""
        return {cls._renamed.get(name, name): value for name, value in params.items()}

    def _parameters_to_json(self) -> dict[str, Any]:
        """Return the parameters for a file: not `verbose`, so that a fit that tells of itself gives the same file."""
        params = self.get_params(deep=False)
        del params["verbose"]
        return params_to_json(params | {"cell": cell_name(params["cell"])})

    def _check_parameters(self) -> None:
        """Raise a `GatewiseError` unless all parameters keep to `_parameter_constraints`."""
        try:
            self._validate_params()
        except InvalidParameterError as error:
            raise ParameterError(str(error)) from error
        recurrent_class(self.cell)
