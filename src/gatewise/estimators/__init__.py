"""Sequences in, predictions out: estimators and transformers with scikit-learn's contract."""

from gatewise.estimators.classifier import RecurrentClassifier
from gatewise.estimators.forecaster import RecurrentForecaster
from gatewise.estimators.importance import permutation_importance
from gatewise.estimators.regressor import RecurrentRegressor
from gatewise.estimators.transformers import SequencePadder, SequenceScaler, SequenceWindower

__all__ = [
    "RecurrentClassifier",
    "RecurrentForecaster",
    "RecurrentRegressor",
    "SequencePadder",
    "SequenceScaler",
    "SequenceWindower",
    "permutation_importance",
]
