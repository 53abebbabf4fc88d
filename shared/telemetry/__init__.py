"""What operators see: JSON logs, Prometheus metrics, health. Every service sets them up first in its `main.py`."""

from shared.telemetry.logs import bind_log_context, configure_logging, get_logger
from shared.telemetry.probes import Readiness, install_probes, serve_probes

__all__ = ["Readiness", "bind_log_context", "configure_logging", "get_logger", "install_probes", "serve_probes"]
