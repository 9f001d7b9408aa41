"""What a fitted estimator is made of, as one table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from gatewise.layers import Layer
from gatewise.layers.summary import Summary, summarize


class Summarized:
    """An estimator that can be summed up: its networks, and what else takes part in its answers."""

    def summary(self) -> Summary:
        """Return a table of the layers of one network, with the shapes of their outputs and their parameters.

        Returns
        -------
        Summary
            It prints as text and shows as HTML in a notebook; `summary.parameters` counts all networks. Its notes say
            how many there are and what else takes part.

        Raises
        ------
        NotFittedError
            Before `fit`.

        Examples
        --------
        >>> import numpy as np, gatewise as gw
        >>> X = np.random.default_rng(0).normal(size=(20, 7, 2))
        >>> gw.RecurrentRegressor(hidden_size=4, segments=0, max_iter=1, ridge_share=0.5).fit(X, X[:, 0, 0]).summary()
        layer                                      output             parameters
        ────────────────────────────────────────────────────────────────────────
        Sequential                                 (batch, 1)                109
          0: Sequential                            (batch, 12)                96
            0: GRU(input_size=2, hidden_size=4)    (batch, time, 4)           96
            1: Pool(input_size=4)                  (batch, 12)                 0
          1: Dense(input_size=12, output_size=1)   (batch, 1)                 13
        327 parameters, 1.3 kB
        RecurrentRegressor: the mean of 3 networks of this form
        a ridge on 20,284 features has 50% of the answer
        """
        networks, notes = self._parts_for_summary()
        return summarize(networks[0], networks[1:], notes) if networks else Summary((), 0, 0, notes)

    @abstractmethod
    def _parts_for_summary(self) -> tuple[Sequence[Layer], tuple[str, ...]]:
        """Return networks of one form, and what is to be said of them and of what stands beside them."""


def form_of(networks: Sequence[Layer]) -> str:
    """Say how many networks there are, as a part of a sentence.

    Examples
    --------
    >>> import gatewise as gw
    >>> form_of([gw.Last(), gw.Last()])
    'the mean of 2 networks of this form'
    """
    return f"the mean of {len(networks)} networks of this form" if len(networks) > 1 else "one network"
