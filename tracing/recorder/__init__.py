from tracing.recorder.exporter import Exporter, ExportError, ExportRefusedError
from tracing.recorder.recorder import Recorder
from tracing.recorder.zipkin_http import ZipkinHttpExporter

__all__ = ["ExportError", "ExportRefusedError", "Exporter", "Recorder", "ZipkinHttpExporter"]
