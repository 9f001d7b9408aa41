"""One cluster of two workers for all tests of distributed work."""

import pytest
import traces

from gatewise.distributed.cluster import local_client


@pytest.fixture(scope="session")
def two_workers():
    before = traces.helpers()
    with local_client(2) as client:
        yield client
    assert traces.left_helpers(before) == {}, "the cluster, or a test, left threads or processes"


@pytest.fixture(scope="module", autouse=True)
def no_helper_is_left():
    """Nothing after each module, in place of the suite's check: the cluster goes on, and looks at its end."""
