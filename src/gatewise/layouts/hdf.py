"""The HDF5 files of Keras: its own .h5, and the weights inside a .keras file. h5py is imported when a file is read."""

from __future__ import annotations

import math
import mmap
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.layouts import hdf_heaps
from gatewise.layouts.files import DEFLATE, member_bytes
from gatewise.limits import current

WEIGHTS = "model.weights.h5"  # in a .keras file
DEPTH = 32  # of groups
COUNT = 20_000  # groups and datasets of a file
GZIP, SHUFFLE, CHECKSUM = 1, 2, 3  # the numbers of HDF5's own filters
FILTERS = {GZIP, SHUFFLE, CHECKSUM}
NAMES = ("kernel", "recurrent_kernel", "bias")  # of the variables 0, 1, 2 of a recurrent cell


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open the HDF5 file at `path`, or inside it if it is a .keras file."""
    try:
        import h5py
    except ImportError as error:
        raise GatewiseTypeError("a Keras file needs h5py: pip install gatewise[convert].") from error
    if path.suffix.lower() != ".keras":
        with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
            hdf_heaps.check(content)
        with h5py.File(path, "r") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        inside = member_bytes(archive, WEIGHTS, path.stat().st_size)
    hdf_heaps.check(inside.getvalue())
    with h5py.File(inside, "r") as file:
        yield file


def weights(file: Any) -> dict[str, Array]:
    """Return every dataset of numbers under its path."""
    found: dict[str, Array] = {}
    for count, (name, item) in enumerate(walk(file)):
        if count == COUNT:
            raise GatewiseValueError(f"it has more than {COUNT} entries.")
        if is_dataset(item) and item.dtype.kind == "f":
            match = re.fullmatch(r"(.*cell)/vars/([012])", name)
            found[f"{match[1]}/{NAMES[int(match[2])]}" if match else name] = array_of(item)
    return found


def walk(group: Any, before: str = "", depth: int = DEPTH) -> Iterator[tuple[str, Any]]:
    """Everything below a group with its path; links out of the file are not followed."""
    if not depth:
        raise GatewiseValueError(f"its groups are nested more than {DEPTH} deep.")
    for name in group:
        item = child(group, name)
        yield before + name, item
        if not is_dataset(item):
            yield from walk(item, f"{before}{name}/", depth - 1)


def child(group: Any, name: str) -> Any:
    """Return a member of a group; raise if it is a link to elsewhere, or not there."""
    import h5py

    link = group.get(name, getlink=True) if not is_dataset(group) and name in group else None
    if not isinstance(link, h5py.HardLink):
        raise GatewiseValueError(f"{name} is a link or not there; need it in the file itself.")
    return group[name]


def is_dataset(item: Any) -> bool:
    """Whether an item is an array, and no group."""
    return hasattr(item, "shape")


def array_of(dataset: Any) -> Array:
    """Return a dataset of floats; raise before it is read if the file has not the bytes it claims."""
    if not is_dataset(dataset) or dataset.is_virtual or dataset.external or dataset.dtype.kind != "f":
        raise GatewiseValueError(f"{dataset.name} holds what is elsewhere or no numbers; need plain arrays.")
    stored, claimed = dataset.id.get_storage_size(), (dataset.size or 0) * dataset.dtype.itemsize
    limit = stored * DEFLATE if _is_packed(dataset) else stored
    if claimed > limit or stored > file_size(dataset):
        raise GatewiseValueError(f"{dataset.name} claims shape {dataset.shape}, for which the file has {stored} bytes.")
    chunk = math.prod(dataset.chunks or (1,)) * dataset.dtype.itemsize
    current().check_unpacked(max(claimed, chunk), stored, dataset.name)
    array: Array = np.asarray(dataset[()])
    return array


def _is_packed(dataset: Any) -> bool:
    """Whether a dataset is compressed; raise if it has filters that are none of HDF5's own."""
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(k)[0] for k in range(plan.get_nfilters())}
    if not filters <= FILTERS:
        raise GatewiseValueError(f"{dataset.name} has filters {sorted(filters - FILTERS)}; need gzip or none.")
    return GZIP in filters


def attribute(item: Any, name: str) -> Any:
    """Return an attribute of a group; raise before it is read if the file has not the bytes it claims."""
    claimed = item.attrs.get_id(name) if name in item.attrs else None
    if claimed is None or claimed.dtype.itemsize * math.prod(claimed.shape or ()) > file_size(item):
        raise GatewiseValueError(f"{item.name} has no readable attribute {name!r}; need a file that Keras wrote.")
    return item.attrs[name]


def file_size(item: Any) -> int:
    """Bytes of the file that an item is in."""
    return int(item.file.id.get_filesize())
