"""Convolutions against loops over steps and taps, and what a sequence's features may depend on."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.convolutions.counting import Fold
from gatewise.convolutions.kernels import KERNELS, TAPS, TRIPLES, Convolutions
from gatewise.convolutions.segments import SCALES, segments


def ragged(n=5, time=40, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, time, channels)).astype(np.float32)
    lengths = rng.integers(time // 2, time + 1, size=n)
    lengths[0] = time
    x[np.arange(time) >= lengths[:, None]] = 0
    return x, lengths


def outputs_by_loops(drawn, group, kernel, row):
    """All outputs of one kernel for one sequence (time, channels)."""
    dilation, padded = int(drawn.dilations[group]), drawn.padded[group]
    series = row @ drawn.mixtures[group]
    series = np.diff(series, prepend=series[0] if padded else np.nan) if drawn.differenced[group] else series
    outputs = []
    for t in range(len(series)):
        total = 0.0
        for tap in range(TAPS):
            step = t - (TAPS - 1 - tap) * dilation
            value = series[step] if step >= 0 else 0.0 if padded else np.nan
            total += (2 if tap in TRIPLES[kernel] else -1) * value
        outputs.append(total)
    return np.array(outputs)


@pytest.mark.parametrize("channels", [1, 3])
def test_shares_and_highest_are_those_of_loops(channels):
    x, lengths = ragged(channels=channels)
    drawn = Convolutions.draw(x, lengths, 2000, np.random.default_rng(1))
    shares, highest = drawn.summaries(x, lengths)
    groups, _, per_kernel = drawn.thresholds.shape
    shares, highest = shares.reshape(5, groups, KERNELS, per_kernel), highest.reshape(5, groups, KERNELS)
    assert {(bool(a), bool(b)) for a, b in zip(drawn.differenced, drawn.padded, strict=True)} > {(True, True)}
    rng = np.random.default_rng(2)
    for group in range(groups):
        kernel, row = rng.integers(KERNELS), rng.integers(5)
        outputs = outputs_by_loops(drawn, group, kernel, x[row, : lengths[row]].astype(float))
        known = outputs[~np.isnan(outputs)]
        np.testing.assert_allclose(highest[row, group, kernel], known.max() if len(known) else 0, atol=1e-5)
        above = [np.mean(known > threshold) if len(known) else 0 for threshold in drawn.thresholds[group, kernel]]
        np.testing.assert_allclose(shares[row, group, kernel], above, atol=1.5 / len(outputs) * (np.ptp(known) < 1e-3))


def test_features_of_a_sequence_depend_on_its_own_steps_only():
    x, lengths = ragged(6, 30, 2)
    drawn = Convolutions.draw(x, lengths, 1500, np.random.default_rng(0))
    together = drawn.summaries(x, lengths)
    for row in range(6):
        own = slice(row, row + 1)
        alone = drawn.summaries(x[own, : lengths[row]], lengths[own])
        for all_rows, one in zip(together, alone, strict=True):
            np.testing.assert_array_equal(all_rows[own], one)
    spoiled = x.copy()
    spoiled[np.arange(30) >= lengths[:, None]] = 7
    np.testing.assert_array_equal(drawn.summaries(spoiled, lengths)[0], together[0])


def test_thresholds_split_the_outputs_evenly():
    x, lengths = np.random.default_rng(0).normal(size=(40, 200, 1)).astype(np.float32), np.full(40, 200)
    drawn = Convolutions.draw(x, lengths, 8000, np.random.default_rng(0))
    shares, _ = drawn.summaries(x, lengths)
    assert 0.45 < shares.mean() < 0.55
    assert shares.mean(axis=0).min() < 0.1
    assert shares.mean(axis=0).max() > 0.9
    assert drawn.sizes == (shares.shape[1], len(drawn.dilations) * KERNELS)
    assert drawn.dilations.max() * (TAPS - 1) < 200


@pytest.mark.parametrize("time", [1, 2, 3, 8])
def test_the_shortest_sequences_have_features(time):
    x = np.random.default_rng(0).normal(size=(4, time, 2)).astype(np.float32)
    drawn = Convolutions.draw(x, np.full(4, time), 1000, np.random.default_rng(0))
    shares, highest = drawn.summaries(x, np.full(4, time))
    assert np.isfinite(shares).all()
    assert np.isfinite(highest).all()
    assert np.std(highest, axis=0).max() > 0.1


@pytest.mark.parametrize("time", [1, 5, 130, 300])
def test_counts_by_halves(time):
    outputs = np.random.default_rng(time).normal(size=(4, time, 3)).astype(np.float32)
    outputs[:, : time // 3, 1] = np.nan
    thresholds = np.array([0.2, -1, 0, 1], np.float32)
    fold = Fold(4, time, 3)
    for some in (slice(0, 4), slice(2, 3)):
        above = outputs[some] > thresholds[some, None, None]
        np.testing.assert_array_equal(fold.count_above(outputs[some], thresholds[some]), above.sum(axis=1))
        np.testing.assert_array_equal(fold.highest(outputs[some]), np.nanmax(outputs[some], axis=1))


def test_levels_and_changes_of_parts():
    x, lengths = ragged(3, 64, 2)
    lengths[:] = (64, 32, 48)
    levels = segments(x, lengths).reshape(3, -1, 2)
    assert levels.shape[1] == 2 * (2**SCALES - 1)
    for row, length in enumerate(lengths):
        known = x[row, :length].astype(float)
        quarters = known.reshape(4, -1, 2).mean(axis=1)
        np.testing.assert_allclose(levels[row, 0], known.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(levels[row, 3:7], quarters, atol=1e-6)
        np.testing.assert_allclose(levels[row, 32:34], quarters[1::2] - quarters[::2], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("dilations", lambda a: a * 0),
        ("dilations", lambda a: a.astype(np.int32)),
        ("thresholds", lambda a: a[:, :-1]),
        ("padded", lambda a: a[:-1]),
        ("mixtures", lambda a: a[:, :1]),
    ],
)
def test_convolutions_of_a_file_are_checked(name, change):
    x, lengths = ragged(channels=2)
    arrays = Convolutions.draw(x, lengths, 1000, np.random.default_rng(0))._asdict()
    assert Convolutions.checked(dict(arrays), 2).sizes == (arrays["thresholds"].size, len(arrays["padded"]) * KERNELS)
    with pytest.raises(gw.GatewiseError):
        Convolutions.checked({**arrays, name: change(arrays[name])}, 2)
