"""Errors as words: one place that knows them all."""

from __future__ import annotations

import httpx

from palio.client import ApiError, ServerUnreachableError
from palio.contract_errors import KitError
from palio.environment import EnvironmentFailedError
from palio.terminal import messages, say

UNAUTHENTICATED = 401
FORBIDDEN = 403


def explain(error: Exception) -> bool:
    """Print an error that users may meet, and what to do; False for one that is a fault of ours."""
    if isinstance(error, (KitError, EnvironmentFailedError)):
        _print(str(error))
        if error.detail:
            say(error.detail, "dim")
    elif isinstance(error, ApiError):
        _print(str(error))
        if error.status == UNAUTHENTICATED:
            say("Log in with `palio login`, or make an account with `palio register`.")
    elif isinstance(error, ServerUnreachableError):
        _print(str(error))
    elif isinstance(error, httpx.InvalidURL):
        _print(f"The server's address is no URL: {error}. It looks like http://127.0.0.1:8700.")
    elif isinstance(error, OSError) and error.filename is not None:
        _print(f"{error.filename}: {error.strerror}.")
    else:
        return False
    return True


def _print(message: str) -> None:
    messages().print("[bold red]Error:[/] ", end="")
    say(message)
