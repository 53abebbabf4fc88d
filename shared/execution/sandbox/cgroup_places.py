"""Where this process may make control groups: found once, at the start of a service.

Looks only at the process's own groups and below: whatever bounds the service bounds its sandboxes. A group of version 2 either
holds processes or gives its controllers to groups below it. So a service that is alone in its group steps aside into one below;
where other processes are in it, they are not touched, and there is no group.
"""

import errno
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shared.execution.sandbox.cgroups import V1, V2, CgroupError, Cgroups, Controller, Place
from shared.execution.sandbox.port import Limits

#: Where a service steps aside to. The name to give as systemd's `DelegateSubgroup=` (from systemd 254 on).
SERVICE_GROUP = "palio-service"
#: Of version 2. CPU time is counted in every group, without a controller.
_WANTED = ("memory", "pids")
_TRIAL = Limits(wall_time_s=1, memory_bytes=64 << 20, file_bytes=1, output_bytes=1, log_bytes=1, processes=8)


@dataclass(frozen=True)
class _Hierarchy:
    """A mounted hierarchy: what it is of, where it is mounted, and which of its folders is there."""

    is_v2: bool
    controllers: frozenset[str]
    mounted_at: Path
    root: str


def open_cgroups(process: Path = Path("/proc/self")) -> Cgroups:
    """Groups for the sandboxes of this process. Raises `CgroupError` that says why there are none."""
    cgroups = Cgroups(find_places(process))
    # What is writable may still be refused: one is made, and a process put into it.
    with cgroups.group(_TRIAL) as group, subprocess.Popen(["/usr/bin/cat"], stdin=subprocess.PIPE, env={}) as cat:
        group.enter(cat.pid)
    return cgroups


def find_places(process: Path) -> Mapping[Controller, Place]:
    """Where a process (its folder in `/proc`) may make groups, by what they count. Raises `CgroupError`."""
    memberships = _memberships((process / "cgroup").read_text())
    hierarchies = _hierarchies((process / "mountinfo").read_text())
    refusals = []
    for hierarchy in hierarchies:
        own = _folder(hierarchy, memberships.get("", "")) if hierarchy.is_v2 else None
        if own and "memory" in _words(own / "cgroup.controllers"):
            try:
                return _version_2(own)
            except CgroupError as error:
                refusals.append(str(error))
    places = {}
    for controller in Controller:
        for hierarchy in hierarchies:
            if controller in hierarchy.controllers:
                own = _folder(hierarchy, memberships.get(controller, ""))
                if own and os.access(own, os.W_OK | os.X_OK):
                    places[controller] = Place(V1, own)
    if not places:
        raise CgroupError("; ".join(refusals) or "no control group that this user may write to")
    return places


def _version_2(own: Path) -> Mapping[Controller, Place]:
    folder = own.parent if own.name == SERVICE_GROUP else own
    wanted = [name for name in _WANTED if name in _words(folder / "cgroup.controllers")]
    try:
        _hand_down(folder, wanted)
    except OSError as error:
        raise CgroupError(
            f"{folder} may not be used by this user ({error.strerror}): delegate it (systemd: Delegate=yes)"
        ) from error
    place = Place(V2, folder)
    places = {Controller.MEMORY: place, Controller.CPU: place}
    return {**places, Controller.PROCESSES: place} if "pids" in wanted else places


def _hand_down(folder: Path, controllers: list[str]) -> None:
    """Let groups below have controllers. Raises `OSError`, or `CgroupError` if others are in the way."""
    control = folder / "cgroup.subtree_control"
    if set(controllers) <= _words(control):
        return
    request = " ".join(f"+{name}" for name in controllers)
    try:
        control.write_text(request)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        if _words(folder / "cgroup.procs") != {str(os.getpid())}:
            raise CgroupError(f"other processes than this service are in {folder}") from error
        aside = folder / SERVICE_GROUP
        aside.mkdir(exist_ok=True)
        (aside / "cgroup.procs").write_text(str(os.getpid()))
        control.write_text(request)


def _memberships(text: str) -> dict[str, str]:
    """The process's path in each hierarchy, by controller of version 1; that of version 2 has an empty name."""
    paths = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _hierarchies(text: str) -> list[_Hierarchy]:
    found = []
    for line in text.splitlines():
        mount, _, described = line.partition(" - ")
        kind, _, options = described.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            root, mounted_at = (_unescaped(word) for word in mount.split(" ")[3:5])
            found.append(_Hierarchy(kind == "cgroup2", frozenset(options.split(",")), Path(mounted_at), root))
    return found


def _folder(hierarchy: _Hierarchy, path: str) -> Path | None:
    """The folder of a path in a hierarchy; None if it is not below what is mounted."""
    if not path or ".." in PurePosixPath(path).parts or not PurePosixPath(path).is_relative_to(hierarchy.root):
        return None
    return hierarchy.mounted_at / PurePosixPath(path).relative_to(hierarchy.root)


def _unescaped(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)


def _words(path: Path) -> set[str]:
    return set(path.read_text().split())
