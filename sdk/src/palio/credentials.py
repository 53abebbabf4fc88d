"""The tokens of this user, by server, in a file that only this user can read.

Passwords are never stored. The file is replaced whole, so that a broken write leaves the old one.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Login:
    """A token and whose it is."""

    name: str
    token: str
    #: ISO 8601, UTC.
    expires_at: str


@dataclass
class Credentials:
    """What the file holds; `path` need not exist yet."""

    path: Path
    logins: dict[str, Login] = field(default_factory=dict)
    #: The server of the last login, which commands turn to when none is named.
    current: str | None = None

    @classmethod
    def load(cls, folder: Path) -> Credentials:
        """Read `credentials.json` in this folder; empty if there is none or it is damaged, since a new login mends that."""
        path = folder / "credentials.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            logins = {server: Login(**login) for server, login in content["servers"].items()}
            return cls(path, logins, content.get("current"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(path)

    def remember(self, server: str, login: Login) -> None:
        """Keep a login, and make its server the current one."""
        self.logins[server] = login
        self.current = server
        self._save()

    def forget(self, server: str) -> bool:
        """Drop the login of a server; False if there was none."""
        known = self.logins.pop(server, None) is not None
        if self.current == server:
            self.current = None
        if known:
            self._save()
        return known

    def _save(self) -> None:
        servers = {server: vars(login) for server, login in self.logins.items()}
        write_private(self.path, {"current": self.current, "servers": servers})


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON to a file of mode 0600 in a folder of mode 0700 (made if missing), in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes the file with mode 0600, so it is never readable by others, not even while it is written.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
