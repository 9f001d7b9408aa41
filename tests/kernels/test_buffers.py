"""Memory of large results: used again when nobody holds it, never before."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gatewise.kernels import buffers

FLOAT = np.dtype(np.float32)
SHAPE = 2, 3, 2**17  # 3 MiB


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(buffers, "_kept", type(buffers._kept)())


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_when_nobody_holds_it():
    first = buffers.array(SHAPE, FLOAT)
    assert first.shape == SHAPE
    assert first.dtype == FLOAT
    assert first.flags.carray
    place = address(first)
    del first
    assert address(buffers.array(SHAPE[::-1], FLOAT)) == place


@pytest.mark.parametrize(
    "held", [lambda a: a, lambda a: a[1, :, 5:9], lambda a: memoryview(a), lambda a: a.T.view(np.int32)]
)
def test_memory_that_somebody_holds_is_left_alone(held):
    part = held(buffers.array(SHAPE, FLOAT))
    others = [buffers.array(SHAPE, FLOAT) for _ in range(3)]
    assert not any(np.shares_memory(np.asarray(part), other) for other in others)
    assert len({address(other) for other in others}) == 3


def test_no_two_threads_get_the_same_memory():
    def work(value):
        for _ in range(50):
            a = buffers.array(SHAPE, FLOAT)
            a[:, :, :64] = value
            if not (a[:, :, :64] == value).all():
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_what_is_kept_has_a_limit(monkeypatch):
    monkeypatch.setattr(buffers, "LIMIT", 2**23)
    live = [buffers.array(SHAPE, FLOAT) for _ in range(5)]
    assert sum(buffer.nbytes for buffer in buffers._kept) <= 2**23
    assert len({address(array) for array in live}) == 5
    buffers.array((2**22,), FLOAT)
    assert all(buffer.nbytes <= 2**23 for buffer in buffers._kept)


def test_small_arrays_are_plain_and_zeros_are_zeros():
    assert buffers.array((3, 4), FLOAT).base is None
    dirty = buffers.array(SHAPE, FLOAT)
    dirty.fill(7)
    del dirty
    assert not buffers.zeros(SHAPE, FLOAT).any()
    assert not buffers.zeros((2, 2), FLOAT).any()
