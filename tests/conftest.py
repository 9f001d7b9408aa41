"""Settings of the whole suite."""

import os
import signal
import tempfile

import pytest
import traces
from hypothesis import HealthCheck, settings

from gatewise import kernels
from gatewise.layers import OWN

# The same examples on every run and machine, however slow the machine is.
settings.register_profile(
    "gatewise", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gatewise")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell starts what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    """Prepare what the workers share, before they start.

    Kernels are compiled once; each worker would do it, and say so into a test's stderr. Each worker's BLAS has one
    thread: workers whose products each take all cores wait for each other several times longer than they compute.
    """
    if hasattr(config, "workerinput"):
        return
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if kernels.enabled():
        kernels.warm_up()


@pytest.fixture(scope="session", autouse=True)
def temporary_files_are_removed():
    """Every test's temporary files go into a folder that is removed at the end."""
    usual = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="gatewise-", ignore_cleanup_errors=True) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        yield
        tempfile.tempdir = None
        if usual is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = usual


@pytest.fixture(scope="module", autouse=True)
def no_helper_is_left():
    """The module's tests end every thread and process that they start."""
    before = traces.helpers()
    yield
    assert traces.left_helpers(before) == {}, "a test left threads or processes"


@pytest.fixture(autouse=True)
def settings_stay_as_they_were():
    """A test leaves the process as it was, whatever runs after it; cells that it defined end with it."""
    before, cells = traces.settings(), dict(OWN)
    yield
    OWN.clear()
    OWN.update(cells)
    assert traces.differences(before, traces.settings()) == [], "what this test changed, others see"
