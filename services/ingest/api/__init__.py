"""The write API over HTTP: parse, call, answer. Every write answers with `Palio-Position`, the position that holds it."""

from services.ingest.api.app import make_app

__all__ = ["make_app"]
