"""What every test may rely on, wherever and beside whatever it runs."""

from __future__ import annotations

import inspect
import os

import httpx
from hypothesis import HealthCheck, settings

# All that tests talk to is on this machine; a network's proxy is for what lies beyond.
for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]

# A client of httpx that names no timeout gets this one: 5 s, which are few on a busy machine.
_patience = inspect.signature(httpx.get).parameters["timeout"].default
_patience.connect = _patience.read = _patience.write = _patience.pool = 60.0

# Time says nothing here: it measures the machine and what else it does. The examples are drawn from
# a test's own text, so that a run says the same as the run before it; what `search` draws is new
# each time: `pytest --hypothesis-profile=search`.
AT_LEISURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("weir", AT_LEISURE, derandomize=True, database=None)
settings.register_profile("search", AT_LEISURE, max_examples=2_000)
settings.load_profile("weir")
