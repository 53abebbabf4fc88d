"""The read API over HTTP: parse, ask who sees what, answer."""

from services.leaderboard.api.app import make_app
from services.leaderboard.api.context import Context

__all__ = ["Context", "make_app"]
