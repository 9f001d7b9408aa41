"""Two years of hourly traffic on Interstate 94."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gatewise.errors import GatewiseValueError, check_names

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("time", "traffic_volume", "temp", "rain_1h", "clouds_all", "weather_main")


def i94(path: str | os.PathLike[str] | None = None) -> DataFrame:
    """Return hourly westbound traffic on I-94 between Minneapolis and St Paul, with the weather.

    Parameters
    ----------
    path : str or path, optional
        Another CSV file (compressed or not) with the same columns, one row per hour; the packaged one if None.

    Returns
    -------
    DataFrame
        17,520 rows, 2016-10-01 00:00 to 2018-09-30 23:00, indexed by `time` (local, hourly, no gaps in the index).
        Columns: `traffic_volume` (vehicles/h), `temp` (K), `rain_1h` (mm), `clouds_all` (%), `weather_main` (str).
        In 104 rows every value is missing.

    Raises
    ------
    GatewiseError
        If the file cannot be read as such a CSV; the message says what is wrong with it.

    Notes
    -----
    A two-year slice of "Metro Interstate Traffic Volume", UCI Machine Learning Repository no. 492, donated by
    John Hogue, licensed CC BY 4.0; hours without a reading are left empty. Sensor: Minnesota Department of
    Transportation, station 301.

    Examples
    --------
    >>> import gatewise as gw
    >>> frame = gw.datasets.i94()
    >>> frame.shape, int(frame["traffic_volume"].isna().sum())
    ((17520, 5), 104)
    """
    from importlib.resources import as_file, files

    if path is not None:
        return _read(path)
    with as_file(files("gatewise.datasets") / "i94.csv.gz") as packaged:
        return _read(packaged)


def _read(path: str | os.PathLike[str]) -> DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(path)
        check_names(f"{os.fspath(path)}: the header", frame.columns, COLUMNS)
        frame["time"] = pd.to_datetime(frame["time"])
        frame = frame.astype(dict.fromkeys(COLUMNS[1:5], float))
    except (OSError, EOFError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise GatewiseValueError(f"cannot read {os.fspath(path)} as hourly traffic: {error}") from error
    frame = frame.set_index("time")
    repeated = frame.index[frame.index.duplicated()]
    if len(repeated):
        raise GatewiseValueError(f"{os.fspath(path)}: {repeated[0]} stands there twice; need one row per hour.")
    return frame.asfreq("h")
