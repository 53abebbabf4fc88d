"""The read API over HTTP: parse, ask who sees what, answer."""

from services.leaderboard.api.app import make_app

__all__ = ["make_app"]
