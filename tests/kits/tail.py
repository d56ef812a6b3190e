"""A tail's configuration and its window."""

from config import load
from tracing.pipeline.collector_config import CollectorConfig
from tracing.pipeline.tail.window import TailWindow

FILE = """
tail:
  window_s: {window_s}
  policies:
    - {{kind: match, name: probes, service: kube-*, keep: false}}
    - {{kind: errors}}
    - {{kind: slow, over_ms: 500}}
    - {{kind: match, name: checkout, route: /svc/checkout*}}
    - {{kind: rate, rate: 0.0}}
"""


def config(window_s: float = 10.0) -> CollectorConfig:
    return load(CollectorConfig, FILE.format(window_s=window_s), source="collector.yml")


def window(window_s: float = 10.0, **bounds: int) -> TailWindow:
    tail = config(window_s).tail
    assert tail is not None
    made = tail.window()
    return TailWindow(made._policies, int(window_s * 1000), **bounds)
