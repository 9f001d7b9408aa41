"""Two years of hourly traffic on Interstate 94."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def i94() -> DataFrame:
    """Return hourly westbound traffic on I-94 between Minneapolis and St Paul, with the weather.

    Returns
    -------
    DataFrame
        17,520 rows, 2016-10-01 00:00 to 2018-09-30 23:00, indexed by `time` (local, hourly, no gaps in the index).
        Columns: `traffic_volume` (vehicles/h), `temp` (K), `rain_1h` (mm), `clouds_all` (%), `weather_main` (str).
        In 104 rows every value is missing.

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

    import pandas as pd

    with as_file(files("gatewise.datasets") / "i94.csv.gz") as path:
        return pd.read_csv(path, parse_dates=["time"], index_col="time").asfreq("h")
