"""Predictions for data sets: on a cluster and as from single tables, whole, once, and only what is missing."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner
from scored import COLUMNS, folder, model, table

import gatewise as gw
from gatewise import tables
from gatewise.cli import cli
from gatewise.distributed import chunks, parts, sending, worker
from gatewise.limits import Limits
from gatewise.tables import Column


@pytest.fixture
def score(tmp_path):
    """What a worker does with a folder, in this process: predictions and outcomes by the names of the files."""
    placed = []

    def run(model_path, data, out=None):
        digest = sending.digest_of(Path(model_path).read_bytes())
        sending._files[digest] = [str(model_path)]
        placed.append(digest)
        from_, to = parts.Folder.of(str(data)), parts.Folder.of(str(out or tmp_path / "out"))
        outcomes = {part.name: worker.score(digest, from_, to, Limits(), part) for part in parts.parts_of(from_)}
        made = {name: to.place(parts.Part(name, 0, "").output) for name in outcomes}
        return {name: pd.read_parquet(place) for name, place in made.items() if os.path.exists(place)}, outcomes

    yield run
    for digest in placed:
        sending._predictors.pop(digest, None)
        sending._files.pop(digest, None)


def expected(model_path, frame):
    return tables.predict(model_path, frame).frame


def files():
    return {
        "a.parquet": table(np.arange(7)),
        "deep/down/b.parquet": table([f"s{k}" for k in range(4)], seed=1),
        "c.csv": table(np.arange(20, 23), seed=2),
    }


def test_every_file_is_predicted_as_by_itself(two_workers, tmp_path):
    path, data = model(tmp_path / "m.safetensors"), folder(tmp_path / "data", files())
    done = gw.distributed.predict(path, data, tmp_path / "out", client=two_workers)
    assert [one.state for one in done.outcomes.values()] == ["scored"] * 3
    assert done.as_dict() | {"seconds": 0} == {
        "parts": 3,
        "scored": 3,
        "scored_again": 0,
        "skipped": 0,
        "failed": 0,
        "rows": 70,
        "series": 14,
        "seconds": 0,
        "notes": [],
        "problems": {},
    }
    assert sorted(str(one.relative_to(tmp_path / "out")) for one in (tmp_path / "out").rglob("*.*")) == [
        "a.parquet",
        "c.csv.parquet",
        "deep/down/b.parquet",
    ]
    for name in files():
        made = tmp_path / "out" / (name if name.endswith("parquet") else f"{name}.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(made), expected(path, data / name), check_dtype=False)
    assert not two_workers.run(lambda: list(sending._files) + list(sending._predictors))[
        next(iter(two_workers.nthreads()))
    ], "the model is forgotten at the end"


def test_a_second_run_does_what_is_missing_or_changed(score, tmp_path):
    path, data = model(tmp_path / "m.safetensors"), folder(tmp_path / "data", files())
    score(path, data)
    contents = {one: one.read_bytes() for one in (tmp_path / "out").rglob("*.parquet")}
    (tmp_path / "out" / "a.parquet").unlink()
    folder(data, {"c.csv": table(np.arange(30, 34), seed=2)})
    _, outcomes = score(path, data)
    assert {name: one.state for name, one in outcomes.items()} == {
        "a.parquet": "scored",
        "c.csv": "scored again",
        "deep/down/b.parquet": "skipped",
    }
    assert (outcomes["deep/down/b.parquet"].rows, outcomes["deep/down/b.parquet"].series) == (20, 4)
    for name in ("a.parquet", "deep/down/b.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == contents[tmp_path / "out" / name]
    other = model(tmp_path / "n.safetensors", random_state=1)
    assert {one.state for one in score(other, data)[1].values()} == {"scored again"}


def test_a_file_of_others_is_not_written_over(score, tmp_path):
    path, data = model(tmp_path / "m.safetensors"), folder(tmp_path / "data", {"a.parquet": table([1])})
    folder(tmp_path / "out", {"a.parquet": table([2])})
    before = (tmp_path / "out" / "a.parquet").read_bytes()
    _, outcomes = score(path, data)
    assert "holds no predictions of gatewise" in outcomes["a.parquet"].problem
    assert (tmp_path / "out" / "a.parquet").read_bytes() == before


def ragged():
    return pd.concat([table([1], 3), table([2], 5), table([3], 1)])


@pytest.mark.parametrize(
    "frame",
    [
        table([3, 1, 2]),
        table(["x", "1.0", "ü"]),
        table([1.0, 2.0, 0.5]),
        table([1, 2]).assign(t=pd.date_range("2024-01-01", periods=10)),
        table([1, 2]).assign(a=[1, 2, 3, 4, None, 6, 7, 8, 9, 10]),
        table([1, 2]).assign(a=[1, 2, 3, 4, None] * 2, b=[1, 2, 3, 4, None] * 2),
        table([1, 2]).assign(id=pd.Categorical(np.repeat(["u", "v"], 5), ["w", "v", "u"])),
        ragged(),
        table([1, 2]).iloc[::-1],
        table([1, 2, 3]).sample(frac=1, random_state=0),
        pd.concat([table([1, 2]), table([1], seed=1)]),
    ],
    ids=["even", "text", "floats", "dates", "gap", "ends", "categories", "ragged", "reversed", "scattered", "twice"],
)
@pytest.mark.parametrize("rows", [4, 500_000])
def test_chunks_change_nothing(frame, rows, score, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "ROWS", rows)
    path, data = model(tmp_path / "m.safetensors"), folder(tmp_path / "data", {"a.parquet": frame})
    made, outcomes = score(path, data)
    assert outcomes["a.parquet"].problem == ""
    pd.testing.assert_frame_equal(made["a.parquet"], expected(path, data / "a.parquet"), check_dtype=False)


def test_numbers_of_each_step_are_predicted(score, tmp_path):
    path = model(tmp_path / "m.safetensors", gw.RecurrentRegressor, output="all")
    data = folder(tmp_path / "data", {"a.parquet": table([1, 2]), "b.parquet": ragged()})
    made, outcomes = score(path, data)
    assert [one.series for one in outcomes.values()] == [2, 3]
    for name in made:
        pd.testing.assert_frame_equal(made[name], expected(path, data / name), check_dtype=False)


def test_folders_say_columns(score, tmp_path):
    columns = [*COLUMNS, Column("country", "levels", levels=("Côte d'Ivoire", "PE")), Column("year", "number")]
    path = model(tmp_path / "m.safetensors", columns=columns)
    name = "country=C%C3%B4te%20d%27Ivoire/year=2024/a.parquet"
    made, _ = score(path, folder(tmp_path / "data", {name: table([1, 2])}))
    frame = table([1, 2]).assign(country="Côte d'Ivoire", year="2024")
    pd.testing.assert_frame_equal(made[name], expected(path, frame), check_dtype=False)
    assert (tmp_path / "out" / name).exists()


def test_what_cannot_be_read_is_reported_and_the_rest_done(score, tmp_path):
    path = model(tmp_path / "m.safetensors")
    data = folder(tmp_path / "data", {"a.parquet": table([1]), "b.parquet": table([1]).drop(columns="b")})
    (data / "c.parquet").write_bytes((data / "a.parquet").read_bytes()[:-9])
    (data / "d.parquet").write_bytes(b"")
    (data / "_metadata.parquet").write_bytes(b"hidden")
    made, outcomes = score(path, data)
    assert list(made) == ["a.parquet"]
    assert "no column 'b'" in outcomes["b.parquet"].problem
    assert "damaged" in outcomes["c.parquet"].problem
    assert len(outcomes) == 4
    assert outcomes["d.parquet"].state == "failed"


def test_too_large_a_file_in_no_order_is_refused(score, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "WHOLE", 10)
    monkeypatch.setattr(chunks, "ROWS", 4)
    path = model(tmp_path / "m.safetensors")
    frame = table([1, 2, 3]).sample(frac=1, random_state=0)
    _, outcomes = score(path, folder(tmp_path / "data", {"a.parquet": frame}))
    assert "the rows of each sequence together" in outcomes["a.parquet"].problem


def test_forecasts_are_those_of_the_series_in_each_file(score, tmp_path):
    days = pd.date_range("2024-01-01", periods=28)
    frame = pd.concat([pd.DataFrame({"day": days, "x": np.arange(28) % 7 + k, "shop": f"s{k}"}) for k in range(3)])
    result = tables.forecast(frame, series="shop", horizon=2, backtest=False)
    result.save(tmp_path / "m.safetensors")
    data = folder(
        tmp_path / "data", {f"shop={name}/a.csv": some.drop(columns="shop") for name, some in frame.groupby("shop")}
    )
    made, outcomes = score(tmp_path / "m.safetensors", data)
    assert [one.problem for one in outcomes.values()] == [""] * 3
    together = pd.concat(made.values(), ignore_index=True)
    pd.testing.assert_frame_equal(together, result.forecast, check_dtype=False)


def test_a_series_in_two_files_is_said(two_workers, tmp_path):
    path = model(tmp_path / "m.safetensors")
    data = folder(tmp_path / "data", {"a.parquet": table([1, 2]), "b.parquet": table([2, 3])})
    done = gw.distributed.predict(path, data, tmp_path / "out", client=two_workers)
    assert done.notes == ["series '2' ends a.parquet and begins b.parquet: each has predictions of its own for it"]


def test_what_is_no_data_set_is_refused(tmp_path):
    path = model(tmp_path / "m.safetensors")
    with pytest.raises(gw.GatewiseError, match="no folder with tables"):
        gw.distributed.predict(path, tmp_path / "nowhere", tmp_path / "out")
    data = folder(tmp_path / "data", {"a.parquet": table([1])})
    with pytest.raises(gw.GatewiseError, match="another folder"):
        gw.distributed.predict(path, data, data)
    gw.save(gw.Dense(1, 1), tmp_path / "dense.safetensors")
    with pytest.raises(gw.GatewiseError, match="does not know its columns"):
        gw.distributed.predict(tmp_path / "dense.safetensors", data, tmp_path / "out")
    with pytest.raises(gw.GatewiseError, match="cannot reach"):
        gw.distributed.predict(path, "nothing://x", tmp_path / "out")
    folder(data, {"a.csv": table([1]), "a.csv.parquet": table([1])})
    with pytest.raises(gw.GatewiseError, match="same file of predictions"):
        gw.distributed.predict(path, data, tmp_path / "out")


def test_other_file_systems_get_whole_files():
    folder_ = parts.Folder.of("memory://scored")
    part = parts.Part("k=1/a.csv", 1, "")
    parts.write_part(folder_, part, b"whole")
    assert folder_.fs.find(folder_.path) == ["/scored/k=1/a.csv.parquet"]
    assert folder_.fs.cat_file("/scored/k=1/a.csv.parquet") == b"whole"
    folder_.fs.rm(folder_.path, recursive=True)


class Worker:
    """As much of a worker as a model needs."""

    def __init__(self, folder):
        self.local_directory = str(folder)


def test_a_model_is_there_until_the_last_call_ends(tmp_path):
    content = model(tmp_path / "m.safetensors").read_bytes()
    digest = sending.digest_of(content)
    worker_of = Worker(tmp_path / "worker")
    first, second = sending._Sender(digest, content), sending._Sender(digest, content)
    first.setup(worker_of), second.setup(worker_of)
    assert sending.received(digest) is sending.received(digest)
    first.teardown(worker_of)
    first.teardown(worker_of)
    assert sending.received(digest).command == "classify"
    second.teardown(worker_of)
    assert digest not in sending._files
    assert digest not in sending._predictors
    assert list((tmp_path / "worker").iterdir()) == []


def test_a_killed_worker_changes_nothing(mortal_workers, tmp_path):
    path = model(tmp_path / "m.safetensors")
    data = folder(tmp_path / "data", {f"{k}.parquet": table(np.arange(9 * k, 9 * k + 9), seed=k) for k in range(8)})
    gw.distributed.predict(path, data, tmp_path / "calm", client=mortal_workers)
    mortal_workers.submit(dying, str(tmp_path / "died"), pure=False, key="dying")
    done = gw.distributed.predict(path, data, tmp_path / "out", client=mortal_workers)
    assert done.problems == {}
    assert (tmp_path / "died").exists()
    calm = {one.name: one.read_bytes() for one in (tmp_path / "calm").iterdir()}
    assert {one.name: one.read_bytes() for one in (tmp_path / "out").iterdir()} == calm


def dying(flag):
    """Kill the worker that runs this first."""
    if not os.path.exists(flag):
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_command_predicts_from_a_folder(two_workers, tmp_path):
    path, data = model(tmp_path / "m.safetensors"), folder(tmp_path / "data", {"a.parquet": table([1, 2])})
    words = ["predict", str(path), str(data), "--dask", two_workers.scheduler.address, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, [*words, "--quiet", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["series"] == 2
    folder(data, {"b.parquet": pd.DataFrame({"z": [1]})})
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 1
    assert result.stdout.startswith("2 parts: 1 skipped, 1 failed; 0 series")
    assert "b.parquet: " in result.stderr
    assert CliRunner().invoke(cli, words[:-2]).exit_code == 2
    assert CliRunner().invoke(cli, [*words[:3], "--out", "x"]).exit_code == 2


def test_even_sequences_are_read_as_one_array():
    made = chunks.even_sequences(tables.Table("t", pa.Table.from_pandas(table([1, 2]))), *ROLES_AND_COLUMNS)
    assert made.X.shape == (2, 5, 2)


ROLES_AND_COLUMNS = (tables.SequenceRoles("id", "t"), COLUMNS)
