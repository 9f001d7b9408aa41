"""Training over partitions: the same bytes wherever they lie, and as on one machine where there is one partition."""

import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from partitioned import SIZES, arrays, cut, everything, model, trained, without_dropout

import gatewise as gw
from gatewise.distributed.loop import DistributedLoop
from gatewise.distributed.partitions import LocalPartitions
from gatewise.distributed.reading import Data, local_partitions


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sync_every", [1, 3])
def test_bytes_are_those_of_one_process(two_workers, dtype, sync_every):
    x, y = arrays(dtype)
    options = {"dtype": dtype, "sync_every": sync_every, "validation": 0.2, "clip": 0.5}
    here = trained((x, y), partitions=SIZES, **options)
    assert trained((cut(x), cut(y)), client=two_workers, **options) == here
    assert trained((x, y), partitions=SIZES, client=two_workers, **options) == here


def test_one_partition_of_one_batch_is_a_training_on_one_machine():
    x, y = arrays()
    plain = without_dropout()
    options = {"loss": "mse", "optimizer": "adam", "epochs": 3, "batch_size": len(x), "shuffle": False, "clip": 1.0}
    history = gw.train(plain, x, y, validation=(x[:4], y[:4]), **options)
    for sync_every in (1, 2):
        parted = without_dropout()
        settings = {"partitions": 1, "sync_every": sync_every, "validation": (x[:4], y[:4])}
        found = gw.distributed.train(parted, (x, y), **options, **settings)
        assert everything(parted, found) == everything(plain, history)
        np.testing.assert_allclose(found["validation_loss"], history["validation_loss"], rtol=1e-13)


def test_a_step_follows_the_mean_gradient_of_all_rows():
    x, y = arrays()
    nets = [without_dropout() for _ in range(2)]
    options = {"loss": "mse", "optimizer": gw.optimizers.SGD(0.1), "epochs": 1, "batch_size": len(x)}
    gw.train(nets[0], x, y, **options)
    gw.distributed.train(nets[1], (x, y), partitions=SIZES, **options)
    for name, value in nets[0].params.items():
        np.testing.assert_allclose(nets[1].params[name], value, rtol=1e-11, atol=1e-14)


def test_local_steps_are_averaged_by_weight():
    x, y = arrays()
    weights = np.arange(1.0, len(x) + 1)
    nets = [without_dropout() for _ in range(3)]
    options = {"loss": "mse", "epochs": 1, "shuffle": False, "batch_size": 6}
    for net, rows in ((nets[0], slice(0, 20)), (nets[1], slice(20, None))):
        share = 4 if net is nets[0] else 2
        some = options | {"batch_size": share}
        gw.train(net, x[rows], y[rows], weights=weights[rows], optimizer=gw.optimizers.SGD(0.1), **some)
    optimizer = gw.optimizers.SGD(0.1)
    settings = {"partitions": (20, 10), "sync_every": 5, "weights": weights, "optimizer": optimizer}
    gw.distributed.train(nets[2], (x, y), **options, **settings)
    share = weights[:20].sum() / weights.sum()
    for name, value in nets[2].params.items():
        mean = share * nets[0].params[name] + (1 - share) * nets[1].params[name]
        np.testing.assert_allclose(value, mean, rtol=1e-12, atol=1e-15)
    assert optimizer.steps == 5


def test_frames_give_the_bytes_of_arrays(two_workers):
    x = np.random.default_rng(1).normal(size=(20, 6))
    frame = pd.DataFrame(x, columns=[f"hour {k}" for k in range(6)]).assign(target=x.sum(axis=1))
    parts = dd.from_pandas(frame, npartitions=3, sort=False)
    sizes = tuple(parts.map_partitions(len).compute(scheduler="synchronous"))
    net, other = (gw.Sequential(gw.GRU(1, 3, rng=0), gw.Last(), gw.Dense(3, 1, rng=1)) for _ in range(2))
    single = x[:, :, None].astype(np.float32)
    here = trained((single, frame[["target"]].to_numpy(np.float32)), net=net, partitions=sizes)
    data = (parts.drop(columns="target"), parts[["target"]])
    assert trained(data, net=other, client=two_workers) == here


def test_bags_of_ragged_sequences_give_the_bytes_of_padded_arrays(two_workers):
    rng = np.random.default_rng(2)
    sequences = [rng.normal(size=(length, 2)) for length in (5, 3, 4, 5, 1, 2)]
    y = np.array([[sequence.sum()] for sequence in sequences])
    x, lengths = np.zeros((6, 5, 2)), np.array([len(sequence) for sequence in sequences])
    for into, sequence in zip(x, sequences, strict=True):
        into[: len(sequence)] = sequence
    bags = (db.from_sequence(sequences, npartitions=2), db.from_sequence(list(y), npartitions=2))
    assert trained(bags, client=two_workers, batch_size=3) == trained(
        (x, y), lengths=lengths, partitions=2, batch_size=3
    )


def test_rows_without_weight_change_nothing(two_workers):
    x, y = arrays()
    weights = np.ones(len(x))
    weights[:9] = 0
    x[:9] = np.nan
    data, options = (cut(x), cut(y)), {"weights": cut(weights), "client": two_workers}
    assert trained(data, **options) == trained((x, y), weights=weights, partitions=SIZES)


def test_patience_ends_a_training_and_callbacks_are_called():
    x, y = arrays()
    seen, net = [], model()
    options = {"loss": "mse", "optimizer": gw.optimizers.SGD(0.0), "epochs": 9, "validation": 0.3, "patience": 2}
    history = gw.distributed.train(net, (x, y), callbacks=[lambda record, net: seen.append(record)], **options)
    assert seen == history
    assert len(history) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: {"data": (cut(x), y)}, "y is no Dask collection"),
        (lambda x, y: {"data": x}, r"need a tuple \(x, y\)"),
        (lambda x, y: {"data": (cut(x), cut(y)), "partitions": 3}, "repartition"),
        (lambda x, y: {"data": (x, y), "partitions": (1, 2)}, "3 rows together; need 30"),
        (lambda x, y: {"data": (x, y), "client": 1.5}, "client is a float"),
        (lambda x, y: {"data": (x, y), "client": 0}, "client"),
        (lambda x, y: {"data": (x, y), "sync_every": 0}, "sync_every"),
        (lambda x, y: {"data": (x, y[:, [0, 0]])}, "partition 1: epoch 1, batch 1"),
        (lambda x, y: {"data": (x, y), "validation": 1.0}, "no row to train on"),
        (lambda x, y: {"data": (x, y), "validation": (cut(x), cut(y))}, "validation"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    settings = change(*arrays())
    net = model()
    before = {name: value.copy() for name, value in net.params.items()}
    with pytest.raises(gw.GatewiseError, match=message):
        trained(settings.pop("data"), net=net, **settings)
    assert all(np.array_equal(value, before[name]) for name, value in net.params.items())


@pytest.mark.parametrize("sync_every", [1, 2])
def test_a_failure_says_where_it_was(two_workers, sync_every):
    x, y = arrays()
    y[22 + 5] = 1e200
    with pytest.raises(gw.NonFiniteError, match="partition 3") as caught:
        trained((cut(x), cut(y)), client=two_workers, sync_every=sync_every)
    assert caught.value.sample == 5
    assert caught.value.cause
    with pytest.raises(gw.GatewiseError, match=r"partition 1: lengths\[1\] is 9"):
        trained((cut(x), cut(y)), lengths=cut(np.where(np.arange(30) == 10, 9, 5)), client=two_workers)


def test_chunks_along_other_axes_are_put_together(two_workers):
    x, y = arrays()
    pieces = da.from_array(x, chunks=(SIZES, 2, 1))
    other_rows = da.from_array(y, chunks=(7, -1))
    assert trained((pieces, other_rows), client=two_workers) == trained((x, y), partitions=SIZES)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("sync_every", [1, 2])
@pytest.mark.parametrize("rng", [3, None])
def test_a_training_continues_from_its_checkpoint_elsewhere(tmp_path, two_workers, sync_every, rng):
    x, y = arrays()
    settings = {"sync_every": sync_every, "epochs": 3, "validation": 0.2, "patience": 5, "rng": rng}

    def die(record, net):
        if record["epoch"] == 2:
            raise KilledError

    kept = {"checkpoint": tmp_path / "run.checkpoint", "every": 1}
    with pytest.raises(KilledError):
        trained((cut(x), cut(y)), client=two_workers, callbacks=[die], **kept, **settings)
    continued = trained((x, y), partitions=SIZES, resume=True, **kept, **settings)
    again = trained((cut(x), cut(y)), client=two_workers, resume=True, **kept, **settings)
    assert again == continued
    if rng is not None:
        assert continued == trained((x, y), partitions=SIZES, **settings)


def test_a_checkpoint_of_other_partitions_or_data_is_refused(tmp_path):
    x, y = arrays()
    kept = {"checkpoint": tmp_path / "run.checkpoint"}
    trained((x, y), partitions=SIZES, **kept)
    for change in ({"partitions": 4}, {"sync_every": 2}, {"validation": 0.2}):
        with pytest.raises(gw.GatewiseError, match="another training"):
            trained((x, y), **{"partitions": SIZES, "resume": True, **kept, **change})
    with pytest.raises(gw.GatewiseError, match="data"):
        trained((x + 1, y), partitions=SIZES, resume=True, **kept)


def test_a_state_of_other_partitions_is_refused():
    def loop(sizes, **options):
        parts = LocalPartitions(local_partitions(Data(*arrays()).samples(), sizes))
        return DistributedLoop(model(), parts, "mse", "sgd", batch_size=8, rng=0, **options)

    first = loop(SIZES)
    first.step()
    state = first.state_dict()
    second = loop(SIZES)
    second.load_state_dict(state)
    first.step()
    second.step()
    assert first.mean_loss == second.mean_loss
    for other in (loop((10, 20)), loop(SIZES, sync_every=2)):
        with pytest.raises(gw.GatewiseError, match=r"partitions|sync_every"):
            other.load_state_dict(state)
    with pytest.raises(gw.GatewiseError, match="position"):
        loop(SIZES).load_state_dict(state | {"position": 99})
