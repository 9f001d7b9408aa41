"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

# The same examples on every run and machine, however slow the machine is.
settings.register_profile(
    "gatewise", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gatewise")
