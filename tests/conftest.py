"""Settings of the whole suite."""

import os

from hypothesis import HealthCheck, settings

from gatewise import kernels

# The same examples on every run and machine, however slow the machine is.
settings.register_profile(
    "gatewise", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gatewise")


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
