"""The folder that a stack keeps everything in: who has it, and where its sockets are."""

import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TextIO

from deploy.local.trouble import TroubleError

#: A unix socket's path may have 107 bytes; the longest name that a server puts below this is `/.s.PGSQL.5432.lock`.
_LONGEST_SOCKET_FOLDER = 80
#: All hold secrets or what others must not change; the folder itself may be one that the person made, and stays as it is.
_SUBFOLDERS = ("run", "log", "home", "cache", "demo", "postgres", "rabbitmq", "seaweedfs")


class StackFolder:
    """A folder held by one starter at a time. The hold is a file lock, so the kernel drops it when the process dies."""

    def __init__(self, path: Path) -> None:
        """Nothing is touched yet."""
        self.path = path.resolve()
        self._lock: TextIO | None = None

    def take(self) -> None:
        """Make the folder if it is missing, and hold it. Raises `TroubleError` if another process has it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in _SUBFOLDERS:
                (self.path / name).mkdir(exist_ok=True)
                (self.path / name).chmod(0o700)
            lock = (self.path / "run" / "lock").open("a+")
        except OSError as error:
            raise TroubleError(f"{self.path} cannot be written ({error.strerror}): name another folder with --folder.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            message = (
                f"A platform already runs in {self.path} (process {holder}): use that one, end it, or name another --folder."
            )
            raise TroubleError(message) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Let others have it. A second call does nothing."""
        if self._lock is None:
            return
        if self._sockets_are_elsewhere():
            shutil.rmtree(self.sockets(), ignore_errors=True)
        self._lock.close()
        self._lock = None

    def sockets(self) -> Path:
        """The folder for unix sockets: here, or where the path is too long or odd for that, below /tmp. Made if missing."""
        if not self._sockets_are_elsewhere():
            return self.path / "run"
        digest = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        elsewhere = Path(tempfile.gettempdir()) / f"palio-{os.getuid()}-{digest}"
        elsewhere.mkdir(mode=0o700, exist_ok=True)
        # The name can be known beforehand: somebody else may have made the folder, or a link, to read along.
        status = elsewhere.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise TroubleError(f"{elsewhere} belongs to somebody else or is open to others: remove it, then run this again.")
        return elsewhere

    def _sockets_are_elsewhere(self) -> bool:
        path = str(self.path / "run")
        return len(path.encode()) > _LONGEST_SOCKET_FOLDER or re.fullmatch(r"[A-Za-z0-9/._-]+", path) is None
