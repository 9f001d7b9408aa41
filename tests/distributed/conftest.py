"""One cluster of two workers for all tests of distributed work; it ends with the last of them."""

import os
import time

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
    """The same, for a test that kills some of them: at its end two others answer, and go on living."""
    yield two_workers
    before, now = set(), {0}
    for _ in range(120):  # one that was killed is counted until the scheduler notices
        if before == now and len(now) == 2:
            return
        two_workers.wait_for_workers(2, timeout=60)
        before, now = now, set(two_workers.run(os.getpid, on_error="ignore").values())
        time.sleep(0.5)
    pytest.fail("a worker does not answer")


@pytest.fixture(scope="module", autouse=True)
def no_helper_is_left():
    """Nothing after each module, in place of the suite's check: the cluster goes on, and looks at its end."""
