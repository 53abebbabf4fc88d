"""The error of a kit that does not follow the contract; apart from `palio.kit`, which needs numpy, so that commands start fast."""

from __future__ import annotations


class KitError(Exception):
    """A kit does not follow the contract; the message says what to change, `detail` holds the traceback if there is one."""

    def __init__(self, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail
