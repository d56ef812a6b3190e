"""What one call costs."""

import time
from collections.abc import Callable


def us(work: Callable[[], object], *, brief: bool) -> float:
    """The least cost of one call, in microseconds of CPU: what others do only adds to it."""
    rounds, wanted_s = (5, 0.01) if brief else (15, 0.1)
    calls, spent = 1, 0.0
    while spent < wanted_s / 4:
        calls *= 2
        start = time.process_time()
        for _ in range(calls):
            work()
        spent = time.process_time() - start
    calls = max(1, int(calls * wanted_s / spent))
    samples = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(calls):
            work()
        samples.append((time.process_time() - start) / calls * 1e6)
    return min(samples)
