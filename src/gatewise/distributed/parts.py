"""The files of a data set, in a folder or wherever fsspec reaches, and the file of predictions that each gets."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote
from uuid import uuid4

from gatewise.errors import GatewiseValueError
from gatewise.storage import write_whole

ENDINGS = (".parquet", ".pq", ".csv", ".tsv", ".csv.gz", ".csv.bz2", ".csv.zst")
NULL = "__HIVE_DEFAULT_PARTITION__"
"""What stands in the name of a folder where a column has no value."""
STAMPS = ("ETag", "etag", "md5Hash", "content_md5", "checksum", "mtime", "last_modified", "LastModified", "updated")
"""What file systems call that which changes with a file's content; the first of them that there is counts."""
OBJECT_STORES = ("s3", "gs", "abfs", "az")
"""They show an object once it is whole; elsewhere a file gets its name then."""
KEY = b"gatewise.scored"
"""Where the metadata of a file of predictions say what it was made of, and what is in it."""
MADE = ("model", "part", "size", "stamp", "version", "rows", "series", "ends")
"""What they say."""


class Folder(NamedTuple):
    """A folder of a file system of fsspec; `path` is as the file system has it, `name` as the user gave it."""

    fs: Any
    path: str
    name: str

    @classmethod
    def of(cls, name: str, options: Mapping[str, Any] | None = None) -> Folder:
        """Return the folder at a path or URL; `options` are those of its file system."""
        import fsspec

        try:
            fs, path = fsspec.core.url_to_fs(name, **(options or {}))
        except (ImportError, ValueError) as error:
            raise GatewiseValueError(f"cannot reach {name}: {error}.") from error
        return cls(fs, str(path).rstrip("/") or "/", name)

    def place(self, name: str) -> str:
        """Return the path of a file in the folder."""
        return posixpath.join(self.path, name)

    def speaks(self, *protocols: str) -> bool:
        """Whether its file system is one of some."""
        own = self.fs.protocol
        return bool({own} & {*protocols} if isinstance(own, str) else {*own} & {*protocols})


class Part(NamedTuple):
    """A file of a data set.

    Attributes
    ----------
    name : str
        Its path below the folder.
    size : int
        Bytes.
    stamp : str
        What changes with its content, as far as the file system says.
    """

    name: str
    size: int
    stamp: str

    @property
    def output(self) -> str:
        """The name of its predictions: its own, which ends as the files of Parquet do."""
        return self.name if self.name.endswith((".parquet", ".pq")) else f"{self.name}.parquet"

    @property
    def keys(self) -> dict[str, str | None]:
        """Columns that the folders above say, as in `country=PE/year=2024/a.parquet`."""
        pairs = [one.partition("=") for one in self.name.split("/")[:-1] if "=" in one]
        return {unquote(key): None if value == NULL else unquote(value) for key, _, value in pairs}


def parts_of(folder: Folder) -> list[Part]:
    """Return the files of tables in a folder and those below it, by name, without hidden ones (named .a or _a).

    Raises
    ------
    GatewiseError
        If there is no such folder, no table in it, or two files whose predictions would have one name.
    """
    folder.fs.invalidate_cache()  # of an earlier call in this process
    try:
        found = folder.fs.find(folder.path, detail=True)
    except OSError as error:
        raise GatewiseValueError(f"cannot read {folder.name} ({error}).") from error
    parts = []
    for path, about in found.items():
        name = posixpath.relpath(path, folder.path)
        if name.lower().endswith(ENDINGS) and not any(one.startswith((".", "_")) for one in name.split("/")):
            stamp = next((str(about[key]) for key in STAMPS if about.get(key)), "")
            parts.append(Part(name, int(about.get("size") or 0), stamp))
    if not parts:
        raise GatewiseValueError(
            f"{folder.name} is no folder with tables; need one of files that end in {', '.join(ENDINGS)}."
        )
    parts.sort()
    _check_names(parts)
    return parts


def _check_names(parts: Iterable[Part]) -> None:
    outputs: dict[str, str] = {}
    for part in parts:
        if part.output in outputs:
            raise GatewiseValueError(
                f"{outputs[part.output]} and {part.name} would have the same file of predictions; rename one of them."
            )
        outputs[part.output] = part.name


def scored_of(out: Folder, part: Part) -> dict[str, Any] | None:
    """Return what the predictions of a part were made of; None if there are none.

    Raises
    ------
    GatewiseError
        If there is another file in their place.
    """
    from pyarrow import ArrowException, parquet

    place = out.place(part.output)
    if not out.fs.exists(place):
        return None
    try:
        with out.fs.open(place, "rb") as file:
            about = parquet.read_metadata(file).metadata or {}
        made = json.loads(about[KEY])
        return {name: made[name] for name in MADE}
    except (ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise GatewiseValueError(
            f"{place} is there and holds no predictions of gatewise; move it away, or name another folder."
        ) from error


def write_part(out: Folder, part: Part, content: bytes) -> None:
    """Write the predictions of a part, whole or not at all."""
    place = out.place(part.output)
    out.fs.makedirs(posixpath.dirname(place), exist_ok=True)
    if out.speaks("file"):
        write_whole(place, content)
    elif out.speaks(*OBJECT_STORES):
        out.fs.pipe_file(place, content)
    else:
        beside = posixpath.join(posixpath.dirname(place), f".{posixpath.basename(place)}.{uuid4().hex}")
        out.fs.pipe_file(beside, content)
        out.fs.mv(beside, place)
