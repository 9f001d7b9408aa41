"""The packaged data set, and files that claim to be like it."""

import gzip

import pandas as pd
import pytest

import gatewise as gw

HEADER = "time,traffic_volume,temp,rain_1h,clouds_all,weather_main\n"
ROW = "2018-01-01 00:00:00,1,280,0,0,Clear\n"


def test_i94_is_as_documented():
    frame = gw.datasets.i94()
    assert list(frame.columns) == ["traffic_volume", "temp", "rain_1h", "clouds_all", "weather_main"]
    assert frame.index[0] == pd.Timestamp("2016-10-01 00:00")
    assert frame.index[-1] == pd.Timestamp("2018-09-30 23:00")
    assert frame.index.freqstr == "h"
    assert frame.isna().all(axis=1).sum() == 104


def test_another_file_is_read_and_gaps_in_time_become_rows(tmp_path):
    path = tmp_path / "hours.csv"
    path.write_text(HEADER + ROW + ROW.replace("00:00:00", "02:00:00"))
    frame = gw.datasets.i94(path)
    assert frame["traffic_volume"].tolist()[::2] == [1, 1]
    assert frame["traffic_volume"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "No columns"),
        (b"a,b\n1,2\n", "the header lacks time"),
        (HEADER.encode() + b"yesterday,1,280,0,0,Clear\n", "yesterday"),
        (HEADER.encode() + ROW.replace(",1,", ",many,").encode(), "many"),
        (HEADER.encode() + 2 * ROW.encode(), "stands there twice"),
        (b"\xff\xfe\x00\x81" * 50, "decode"),
        (HEADER.encode() + b'"' + ROW.encode(), "EOF"),
    ],
)
def test_an_unreadable_csv_is_one_clear_error(tmp_path, content, message):
    path = tmp_path / "hours.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(gw.GatewiseError, match="(?s)hours.csv.*" + message):
        gw.datasets.i94(path)


def test_a_truncated_archive_is_one_clear_error(tmp_path):
    path = tmp_path / "hours.csv.gz"
    path.write_bytes(gzip.compress((HEADER + ROW).encode())[:-12])
    with pytest.raises(gw.GatewiseError, match="cannot read"):
        gw.datasets.i94(path)


def test_a_folder_is_one_clear_error(tmp_path):
    with pytest.raises(gw.GatewiseError, match="cannot read"):
        gw.datasets.i94(tmp_path)
