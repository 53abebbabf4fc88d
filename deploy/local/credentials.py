"""The secrets of one stack: made at random the first time each is asked for, and kept between starts."""

import json
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from deploy.access import SETUP_KEY, grants
from shared.bus.topology import users
from shared.migrations.roles import SERVICES as DATABASE_SERVICES

#: 160 bits, as hexadecimal digits: nothing that a URL, a shell or a configuration file would read as syntax.
_SECRET_BYTES = 20


class Credentials:
    """Secrets by kind and name, in one file that only its owner can read.

    A name that is new (a service or pool added by an upgrade) gets its secret then; those before it stay.
    """

    def __init__(self, folder: Path) -> None:
        """Read the file in `folder`, which is made (mode 0700) if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._path = folder / "credentials.json"
        self._secrets: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def secret(self, kind: str, name: str) -> str:
        """The secret for `name` among those of `kind`; the same at every call and after every restart."""
        return self._all(kind, [name])[name]

    def database(self) -> dict[str, str]:
        """Passwords of the services' database roles, by service."""
        return self._all("database", DATABASE_SERVICES)

    def broker(self, pools: Sequence[str]) -> dict[str, str]:
        """Passwords of the broker's users, by user."""
        return self._all("broker", [str(user) for user in users(pools)])

    def store(self, pools: Sequence[str]) -> dict[str, str]:
        """Secrets of the object store's keys, by key."""
        return self._all("store", [SETUP_KEY, *grants(pools)])

    def _all(self, kind: str, names: Iterable[str]) -> dict[str, str]:
        missing = [name for name in names if f"{kind}/{name}" not in self._secrets]
        for name in missing:
            self._secrets[f"{kind}/{name}"] = secrets.token_hex(_SECRET_BYTES)
        if missing:
            write_private(self._path, json.dumps(self._secrets, indent=2, sort_keys=True))
        return {name: self._secrets[f"{kind}/{name}"] for name in names}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all: a start that is killed leaves the old one."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # The databases are made with these passwords: after a power cut they must still be known.
        os.fsync(file.fileno())
    temporary.replace(path)
