"""One cluster of two workers for all tests of distributed work; it ends with the last of them."""

import pytest
import traces

from gatewise.distributed.cluster import local_client


@pytest.fixture(scope="package")
def two_workers():
    before = traces.helpers()
    with local_client(2) as client:
        yield client
    assert traces.left_helpers(before) == {}, "the cluster, or a test, left threads or processes"


@pytest.fixture
def mortal_workers(two_workers):
    """The same, for a test that kills some of them: at its end all are there again."""
    yield two_workers
    two_workers.wait_for_workers(2, timeout=60)


@pytest.fixture(scope="module", autouse=True)
def no_helper_is_left():
    """Nothing after each module, in place of the suite's check: the cluster goes on, and looks at its end."""
