"""An environment's pack made a working environment on this host, for the interpreter that this host has."""

from pathlib import Path

from shared.artefacts.archives import ArchiveLimits, unpack
from shared.execution.environments.interpreters import Interpreter

#: Of an environment that was built here.
OWN_LIMITS = ArchiveLimits(max_bytes=40 << 30, max_files=1_000_000)


def unpack_environment(pack: Path, folder: Path, interpreter: Interpreter, limits: ArchiveLimits = OWN_LIMITS) -> None:
    """Unpack into `folder`, which is made, and join it with the interpreter. Raises `ArchiveError`.

    The environment is relocatable: nothing in it knows where it is, so that sandboxes see it at a path of their own.
    """
    unpack(pack, folder, limits)
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "python").symlink_to(interpreter.executable)
    for alias in ("python3", f"python{interpreter.version}"):
        (programs / alias).symlink_to("python")
    (folder / "pyvenv.cfg").write_text(
        f"home = {interpreter.executable.parent}\n"
        "implementation = CPython\n"
        f"version_info = {interpreter.full_version}\n"
        "include-system-site-packages = false\n"
        "relocatable = true\n"
    )
