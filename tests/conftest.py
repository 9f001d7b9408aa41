"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

from gatewise import kernels

# The same examples on every run and machine, however slow the machine is.
settings.register_profile(
    "gatewise", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gatewise")


def pytest_configure(config):
    """Compile the kernels once, before workers start that would each do it, and say so into a test's stderr."""
    if not hasattr(config, "workerinput") and kernels.enabled():
        kernels.warm_up()
