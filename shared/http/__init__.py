"""What the HTTP services share: errors as RFC 9457 problem documents, who is asking, and running the server."""

from shared.http.problems import Problem, install_problem_handlers
from shared.http.server import run_http_service

__all__ = ["Problem", "install_problem_handlers", "run_http_service"]
