"""Panels of plain series, and settings of small forecasters."""

import numpy as np

from gatewise.forecasting.panel import Panel
from gatewise.forecasting.recurrent import NetworkSettings
from gatewise.forecasting.settings import Settings


def panel_of(*series):
    none = [np.zeros((len(y), 0)) for y in series]
    return Panel.of(
        [np.asarray(y, float) for y in series], none, none, np.zeros((len(series), 0)), np.zeros(len(series), int)
    )


def settings_for(horizon, *seasons, context=8):
    network = NetworkSettings("gru", 4, 1, 0.0, 1e-3, 10, 5e-3, 16)
    return Settings(horizon, context, seasons, 0, (0.1, 0.5, 0.9), 1, network)
