"""One cluster of two workers for all tests of distributed work."""

import pytest

from gatewise.distributed.cluster import local_client


@pytest.fixture(scope="session")
def two_workers():
    with local_client(2) as client:
        yield client
