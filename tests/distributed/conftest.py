"""One cluster of two workers for all tests of distributed work."""

import pytest
import traces

from gatewise.distributed.cluster import local_client


@pytest.fixture(scope="session")
def two_workers():
    before = traces.children()
    with local_client(2) as client:
        yield client
    left = {number: command for number, command in traces.children().items() if number not in before}
    assert left == {}, "the cluster, or a test, left processes"


@pytest.fixture(scope="module", autouse=True)
def no_process_is_left():
    """Not after each module, in place of the suite's check: the cluster goes on to the end, and looks there."""
