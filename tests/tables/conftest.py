"""What the tests of tables share."""

import pyarrow as pa
import pytest
from pyarrow import parquet

from gatewise.tables import read_table


@pytest.fixture
def table(tmp_path):
    """Read what a file holds: text, bytes, or a frame as Parquet."""

    def read(content, name="a.csv"):
        path = tmp_path / name
        if isinstance(content, pa.Table):
            parquet.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path)

    return read
