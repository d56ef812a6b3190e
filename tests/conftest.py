"""How property tests run: the same everywhere, however busy the machine is."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Time says nothing here: it measures the machine and what else it does. The examples are drawn from
# a test's own text, so that a run says the same as the run before it; what `search` draws is new
# each time: `pytest --hypothesis-profile=search`.
AT_LEISURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("weir", AT_LEISURE, derandomize=True, database=None)
settings.register_profile("search", AT_LEISURE, max_examples=2_000)
settings.load_profile("weir")
