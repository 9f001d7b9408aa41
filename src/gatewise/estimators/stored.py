"""Classifiers and regressors as descriptions and arrays, for files."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from gatewise import descriptions, plain
from gatewise.arrays import LARGEST
from gatewise.convolutions.path import RidgePath
from gatewise.errors import Array, GatewiseValueError
from gatewise.estimators import builder
from gatewise.estimators.mixing import Ridge
from gatewise.estimators.parameters import CheckedParameters
from gatewise.estimators.sequences import Inputs
from gatewise.estimators.steps import check_seen, feature_names
from gatewise.layers.layer import prefixed
from gatewise.limits import Limits

_SEEN = ("n_channels_in_", "n_features_in_", "n_steps_in_")
_TRAINING = ("loss_curve_", "loss_", "n_iter_", "validation_scores_", "best_validation_score_")


class StoredEstimator(CheckedParameters, metaclass=ABCMeta):
    """An estimator whose fit can be written to a file and read from it."""

    model_: builder.Network
    n_channels_in_: int
    n_features_in_: int
    n_steps_in_: int
    cell: Any
    _inputs: Inputs
    _ridge: Ridge | None
    _downsampling: int

    def _to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        if not hasattr(self, "model_"):
            raise GatewiseValueError(f"this {type(self).__name__} is not fitted, so there is nothing to save: fit it.")
        names = getattr(self, "feature_names_in_", None)
        targets, arrays = self._target_parts()
        description = {
            "params": self._parameters_to_json(),
            "network": descriptions.describe(self.model_),
            "seen": {name: getattr(self, name) for name in _SEEN if hasattr(self, name)},
            "names": None if names is None else descriptions.values_to_json(names),
            "training": {name: getattr(self, name) for name in _TRAINING},
            "targets": targets,
            "downsampling": self._downsampling,
            "ridge": None if self._ridge is None else {"share": self._ridge.share, "scale": self._ridge.scale},
        }
        arrays = prefixed("targets", arrays) | prefixed("inputs", self._inputs._asdict())
        if self._ridge is not None:
            arrays |= prefixed("ridge", self._ridge.path.to_arrays())
        return description, arrays | prefixed("network", self.model_.params)

    @classmethod
    def _from_parts(cls, description: dict[str, Any], arrays: dict[str, Array], limits: Limits) -> Self:
        parts = descriptions.by_head(arrays)
        model = descriptions.rebuild(description["network"], parts.get("network", {}), limits)
        self = cls(**descriptions.params_from_json(cls._with_new_names(description["params"]), cls))
        self._check_parameters()
        self._inputs = Inputs.checked(parts.get("inputs", {}))
        self._restore_targets(plain.mapping("targets", description["targets"]), parts.get("targets", {}))
        self.model_ = builder.checked(model, self._inputs.size, self._output_count(), self._per_step)
        self._optimizer = None
        self._restore_beside(description, parts.get("ridge", {}))
        self._restore_seen(plain.known_keys("seen", description["seen"], _SEEN), description["names"])
        training = plain.known_keys("training", description["training"], _TRAINING)
        for name in _TRAINING:
            setattr(self, name, plain.scalars(name, training[name]))
        return self

    def _restore_seen(self, seen: Mapping[str, Any], names: Any) -> None:
        """Take back what the fit has seen of X."""
        for name, value in seen.items():
            setattr(self, name, plain.whole(name, value, 1))
        if self.n_channels_in_ != len(self._inputs.mean):
            raise GatewiseValueError(f"it has {self.n_channels_in_} channels and means of {len(self._inputs.mean)}.")
        check_seen(seen)
        if names is not None:
            self.feature_names_in_ = feature_names(names, self.n_features_in_)

    def _restore_beside(self, description: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take back the ridge and the downsampling, which files of older versions do not have."""
        self._downsampling, self._ridge = plain.whole("downsampling", description.get("downsampling", 1), 1), None
        if description.get("ridge") is None:
            return
        described = plain.known_keys("ridge", description["ridge"], ("share", "scale"))
        share, scale = (plain.real(name, described[name], 0, most) for name, most in (("share", 1), ("scale", LARGEST)))
        sizes = (len(self._inputs.mean), self._inputs.size, self._output_count())
        self._ridge = Ridge(RidgePath.from_arrays(arrays, *sizes), share, scale)

    @abstractmethod
    def _target_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return what turns outputs of the network into predictions, for a file."""

    @abstractmethod
    def _restore_targets(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take back what `_target_parts` gave; it may be hostile."""
