"""`gatewise bench`: what it computes and says. Times are never asserted."""

import importlib.util
import json
import os

import numpy as np
import pytest
from commands import SOURCE, gatewise

import gatewise as gw
from gatewise.bench import PEERS, SHAPES, Case, Settings, Shape, as_json, as_text, pool, run
from gatewise.bench.cases import problem
from gatewise.bench.machine import cache_sizes, narrowed
from gatewise.bench.pool import LostError, RefusedError, Worker, environment
from gatewise.bench.results import Memory, Outcome, Race, Series, paired_ratio, schedule
from gatewise.bench.run import Team, _wrong, disagreement
from gatewise.layers import RECURRENT

TINY = Case("gru", "after", "float32", Shape(2, 3, 2, 3))
SHARES = ("share_of_sgemm", "share_of_sgemm_on_all")
ALONE = ("bench", "--shape", "2,3,2,3", "--seconds", "0.05", "--threads", "1")


def series(system, threads, *rounds):
    return Series(system, threads, rounds)


@pytest.fixture
def race():
    """Ours quickest on 2 threads, torch on 1; the product takes 0.1 s for 1000 operations on 1, 0.05 s on 2."""
    ran = (
        series("gatewise", 1, 2.0, 4.0, 6.0),
        series("gatewise", 2, 1.0, 2.0, 5.0),
        series("torch", 1, 3.0, 8.0, 10.0),
        series("torch", 2, 9.0, 9.0, 9.0),
    )
    floor = (series("sgemm", 1, 0.1, 0.1, 0.1), series("sgemm", 2, 0.05, 0.05, 0.1))
    return Race(TINY, "train", ran, floor, 1000)


# -- what is computed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "train"), [("gru", 18), ("lstm", 24), ("rnn", 6)])
def test_operations_are_those_of_the_mathematics(cell, train):
    B, T, D, H = shape = Shape(5, 7, 11, 13)
    case = Case(cell, "after", "float32", shape)
    assert case.flops("train") == train * T * B * H * (D + H)
    assert case.flops("infer") * 3 == case.flops("train")


def test_operations_count_every_product():
    """One GRU by hand: 2·3H·(D + H) a row and step forward; dx, dW, dU and what goes back take as much twice."""
    assert Case("gru", "after", "float32", Shape(1, 1, 1, 1)).flops("infer") == 2 * 3 + 2 * 3
    assert Case("gru", "after", "float32", Shape(1, 1, 2, 3)).flops("infer") == 2 * 9 * 2 + 2 * 9 * 3


def test_the_shapes_are_those_of_the_table():
    assert SHAPES[0] == (1, 32, 1, 50)
    assert SHAPES[-1] == (64, 100, 512, 512)
    assert len(SHAPES) == 7


@pytest.mark.parametrize("cell", RECURRENT)
def test_a_seed_gives_the_same_problem_everywhere(cell):
    case = Case(cell, "after", "float64", Shape(2, 3, 4, 5), seed=7)
    first, second, other = problem(case), problem(case), problem(case._replace(seed=8))
    layer = RECURRENT[cell](4, 5, dtype=np.float64, rng=0)
    assert {name: a.shape for name, a in first.weights.items()} == {n: a.shape for n, a in layer.params.items()}
    assert (first.x.shape, first.dy.shape, len(first.state)) == ((2, 3, 4), (2, 3, 5), 1 + (cell == "lstm"))
    for a, b, c in zip(first.weights.values(), second.weights.values(), other.weights.values(), strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)
        assert a.dtype == np.float64
    assert np.array_equal(first.x, second.x)


# -- arithmetic ------------------------------------------------------------------------------------------------------


def test_ratios_pair_round_by_round(race):
    assert paired_ratio((3.0, 8.0, 10.0), (1.0, 2.0, 5.0)) == 3.0  # of 3, 4 and 2
    assert race.best("gatewise").threads == 2
    assert race.best("torch").threads == 1
    assert race.ratio("torch") == 3.0
    assert race.ratio("jax") is None
    with pytest.raises(ValueError, match="zip"):
        paired_ratio((1.0, 2.0), (1.0,))


def test_shares_are_of_the_product_on_as_many_threads(race):
    share = race.case.flops("train") / 1000
    assert race.share(race.series[0]) == pytest.approx(share * 0.1 / 4)  # of 1/20, 1/40, 1/60
    assert race.share(race.series[1]) == pytest.approx(share * 0.05 / 2)  # of 1/20, 1/40, 1/50
    assert race.share_of_all(race.series[0]) == pytest.approx(share * 0.1 / 6)  # of 1/40, 1/80, 1/60
    assert race.share_of_all(race.series[1]) == race.share(race.series[1])
    assert race.speed(race.series[1]) == race.case.flops("train") / 2
    assert race.rate(1) == 1000 / 0.1
    assert race.share(series("gatewise", 3, 1.0, 1.0, 1.0)) is None


@pytest.mark.parametrize(
    ("estimates", "seconds", "rounds", "calls"),
    [
        ([0.001, 0.01], 2.1, 21, [100, 10]),
        ([0.001, 0.2], 2.0, 10, [200, 1]),
        ([3.0, 0.5], 1.0, 5, [1, 1]),
        ([0.0], 0.05, 21, None),
        ([], 1.0, 5, []),
    ],
)
def test_schedule(estimates, seconds, rounds, calls):
    found = schedule(estimates, seconds)
    assert found[0] == rounds
    assert calls is None or found[1] == calls


def test_tables(race):
    memory = [Memory("gatewise", 2, TINY, 100 * 2**20, 106 * 2**20, True)]
    memory.append(Memory("torch", 2, TINY, 200 * 2**20, 212 * 2**20, True))
    outcome = Outcome({"gatewise": "1", "torch": "2"}, [race], [], memory, ["a note"], ["broken"])
    text = as_text(outcome)
    (row,) = [line.split() for line in text.splitlines() if line.startswith("2, 3, 2, 3   train")]
    assert row[5:7] == ["2e+03", "(2)"]
    assert row[8] == "4%"  # 1620 operations in 2 s beside 1000 in 0.05 s
    assert row[-3:] == ["8e+03", "(1)", "3.00"]
    (row,) = [line.split() for line in text.splitlines() if " torch " in line and "212.0" in line]
    assert row[-4:] == ["200.0", "212.0", "12.0", "0.50"]
    assert "gatewise 1, torch 2\n" in text
    assert text.endswith("a note\n\nFAILED: broken")


# -- agreement -------------------------------------------------------------------------------------------------------


def test_disagreement():
    reference = {"y": np.array([1.0, 100.0]), "dx": np.ones(2)}
    assert disagreement({"y": np.array([1.009, 100.0])}, reference) is None
    assert disagreement({"y": np.array([1.02, 100.0])}, reference) == "y differs by 2.0e-04"
    assert disagreement({"y": np.array([np.nan, 100.0])}, reference) == "y differs by nan"
    assert disagreement({"y": np.ones((2, 1))}, reference) == "y has shape (2, 1), differs"
    assert disagreement({"y": np.zeros(2)}, {"y": np.zeros(2)}) is None


class Pretender:
    """A worker whose results are scaled."""

    def __init__(self, system, scale):
        self.system, self.name, self.scale = system, f"{system} (1 thread)", scale

    def ask(self, do, path):
        if self.scale is None:
            raise RefusedError(f"{self.system}: cannot")
        np.savez(path, y=np.arange(3.0) * self.scale)
        return {"done": True}


def test_other_functions_are_not_timed(tmp_path):
    team = Team(Outcome(), tmp_path)
    ours, same, other, unable = (Pretender(*p) for p in (("gatewise", 1), ("a", 1.00001), ("b", 2), ("c", None)))
    assert _wrong(team, [ours, same, other, unable], TINY) == [other, unable]
    assert team.outcome.failures == [
        "b (1 thread), 2, 3, 2, 3: y differs by 1.0e+00 from gatewise (1 thread); not timed."
    ]
    assert team.outcome.notes == ["c: cannot; left out."]


# -- processes -------------------------------------------------------------------------------------------------------


def test_environment_holds_every_pool_to_one_size():
    found = environment(3)
    for name in ("GATEWISE_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        assert found[name] == "3"
    assert "intra_op_parallelism_threads=3" in found["XLA_FLAGS"]
    assert found["PYTHONPATH"].split(os.pathsep)[0] == str(SOURCE)


def test_a_worker_answers(tmp_path):
    worker = Worker("gatewise", 1, tmp_path)
    try:
        reply = worker.ask("hello")
        assert reply["versions"] == {"gatewise": gw.__version__, "numpy": np.__version__}
        assert reply["import_seconds"] > 0
        with pytest.raises(RefusedError, match=r"gatewise: reset is 'never'; need one of"):
            worker.ask("build", case=TINY._replace(reset="never"))
        assert worker.ask("build", case=TINY) == {"kinds": ["train", "infer"]}
        worker.ask("save", path=str(tmp_path / "results.npz"))
        assert worker.ask("warm", kind="train", seconds=0)["seconds"] > 0
        assert worker.ask("time", kind="infer", repetitions=3)["seconds"] > 0
        assert worker.ask("first", case=TINY)["kind"] == "train"
        memory = worker.ask("memory", case=TINY)
        assert memory["peak"] >= memory["before"] > 2**20
    finally:
        worker.close()
    with np.load(tmp_path / "results.npz") as found:
        assert {*found} == {"y", "dx", "dh_0", *problem(TINY).weights}
        gru = gw.GRU(2, 3, rng=0)
        gru.params.update(problem(TINY).weights)
        assert np.allclose(found["y"], gru(problem(TINY).x)[0], atol=1e-6)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time; time.sleep(60)", r"^torch \(2 threads\): no answer to 'hello' within 0\.5 s; ended$"),
        ("import os; os.abort()", r"^torch \(2 threads\): .*\(ended by signal 6\)$"),
        ("raise SystemExit('no luck')", r"^torch \(2 threads\): no luck \(ended with exit code 1\)$"),
        ("pass", r"^torch \(2 threads\): nothing said \(ended with exit code 0\)$"),
    ],
)
def test_a_hung_or_dead_worker_gives_a_line(code, message, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "START", code)
    worker = Worker("torch", 2, tmp_path, patience=0.5 if "sleep" in code else 60)
    with pytest.raises(LostError, match=message):
        worker.ask("hello")
    worker.close()


def test_vectors_are_narrowed_for_us_and_for_the_others(monkeypatch):
    monkeypatch.setattr("gatewise.bench.machine.vector_bytes", lambda: 32)
    assert narrowed(None) == narrowed(32) == {}
    settings = narrowed(16)
    assert settings["GATEWISE_VECTORS"] == "16"
    assert settings["OPENBLAS_CORETYPE"] == "Nehalem"
    assert settings["XLA_FLAGS"] == "--xla_cpu_max_isa=SSE4_2"
    with pytest.raises(gw.GatewiseError, match="vectors of 64 bytes are asked for; need at most 32 here"):
        narrowed(64)


def test_cache_sizes_are_read_where_the_system_says_them(tmp_path):
    for number, (level, kind, size) in enumerate(
        [(1, "Data", "32K"), (1, "Instruction", "64K"), (2, "Unified", "512K")]
    ):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{text}\n", encoding="ascii")
    (tmp_path / "index3").mkdir()
    assert cache_sizes(tmp_path) == {1: 32768, 2: 524288}
    assert cache_sizes(tmp_path / "none") == {}


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shape", "1,2,3"], "'1,2,3' is not a shape; need four positive integers"),
        (["--shape", "1,2,3,0"], "is not a shape"),
        (["--shape", "1,2,3,x"], "is not a shape"),
        (["--cell", "tcn"], "'tcn'; need one of gru"),
        (["--dtype", "float16"], "'float16'; need one of float32"),
        (["--threads", "0"], "--threads is 0; need a whole number"),
        (["--vectors", "8"], "'8'; need one of 64"),
        (["--seconds", "0"], "--seconds 0.0 is not in the range"),
        (["--peers", "torch,keras"], "keras: need some of torch, jax, onnxruntime"),
    ],
)
def test_wrong_usage(arguments, message):
    done = gatewise("bench", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_ours_alone():
    done = gatewise(*ALONE, "--peers", "")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"numpy {np.__version__}, gatewise {gw.__version__}"
    assert [line.split()[4] for line in lines if line.startswith("2, 3, 2, 3")][:2] == ["train", "infer"]
    assert "ratio" not in lines[4]


def test_json():
    done = gatewise(*ALONE, "--peers", "", "--json", "--cell", "lstm", "--dtype", "float64", "--seed", "3")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert {*found} == {"versions", "machine", "races", "starts", "memory", "notes", "failures"}
    assert {*found["machine"]} == {"cpu", "cores", "vectors", "caches", "system", "python"}
    assert [race["kind"] for race in found["races"]] == ["train", "infer"]
    race = found["races"][0]
    settings = {"cell": "lstm", "dtype": "float64", "shape": [2, 3, 2, 3], "seed": 3, "flops": 24 * 3 * 2 * 3 * 5}
    assert settings.items() <= race.items()
    assert race["best"] == {"gatewise": 1}
    assert race["ratios"] == {}
    assert race["sgemm"]["1"] > 0
    (ours,) = race["series"]
    assert {*ours} == {"system", "threads", "seconds", "rounds", "flops_a_second", *SHARES}
    assert len(ours["rounds"]) >= 5
    (start,) = found["starts"]
    assert {"system", "kind", "import_seconds", "first_call", "imports_again", "first_call_again"} <= {*start}
    (memory,) = found["memory"]
    assert memory["step"] == memory["peak"] - memory["before"]
    assert (found["notes"], found["failures"]) == ([], [])


@pytest.fixture
def fake_torch(tmp_path):
    """Write a `torch` that stands before any real one; returns the search path."""

    def write(text):
        (tmp_path / "torch.py").write_text(text)
        return os.pathsep.join([str(tmp_path), str(SOURCE)])

    return write


def test_a_peer_that_cannot_be_imported_is_left_out_with_a_word(fake_torch):
    path = fake_torch("raise ImportError('libtorch is not here')")
    done = gatewise(*ALONE, "--timings-only", PYTHONPATH=path)
    assert done.returncode == 0
    assert "torch (1 thread): ImportError: libtorch is not here (ended with exit code 1); left out." in done.stdout
    assert "FAILED" not in done.stdout
    asked = gatewise(*ALONE, "--timings-only", "--peers", "torch", "--json", PYTHONPATH=path)
    assert asked.returncode == 1
    assert len(json.loads(asked.stdout)["failures"]) == 1


@pytest.mark.parametrize(
    ("body", "code", "key", "message"),
    [
        ("raise ValueError('not today.')", 0, "notes", "torch: ValueError: not today; left out."),
        ("os._exit(3)", 1, "failures", "torch (1 thread): nothing said (ended with exit code 3)"),
    ],
)
def test_a_peer_that_fails_at_work_does_not_stop_the_others(body, code, key, message, fake_torch):
    path = fake_torch(f"import os\n__version__ = '9'\ndef set_num_threads(n):\n    {body}\n")
    done = gatewise(*ALONE, "--timings-only", "--json", "--peers", "torch", PYTHONPATH=path)
    found = json.loads(done.stdout)
    assert done.returncode == code
    assert found[key] == [message]
    assert [[s["system"] for s in race["series"]] for race in found["races"]] == [["gatewise"]] * 2


def test_a_missing_peer_is_left_out_with_a_word(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    told = []
    settings = Settings((TINY,), (1,), seconds=0.01, extras=False)
    outcome = run(settings, told.append)
    assert outcome.notes == [f"{peer}: not installed, left out." for peer in PEERS]
    assert outcome.failures == []
    assert len(told) == settings.steps == 2
    assert as_json(outcome)["races"][1]["kind"] == "infer"


@pytest.mark.peers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_installed_peers_compute_the_same(cell, dtype):
    found = [peer for peer in PEERS if importlib.util.find_spec(peer)]
    if not found:
        pytest.skip("no peer is installed")
    case = Case(cell, "after", dtype, Shape(3, 5, 2, 4))
    outcome = run(Settings((case,), (1,), tuple(found), seconds=0.01, extras=False))
    assert outcome.failures == []
    able = [peer for peer in found if (dtype, peer) != ("float64", "onnxruntime")]  # it has no double
    assert outcome.races[1].systems() == ["gatewise", *able]
    assert outcome.races[0].systems() == ["gatewise", *(peer for peer in able if peer != "onnxruntime")]
