"""Building an environment: from requirements to a lock, and from a lock to one packed file, by uv, in a sandbox.

Nothing of what is installed runs: wheels only, from the index and our own wheel folder. Only the steps that ask the index have
the network, and nothing of an operator's environment but the way to it. The lock is text that a participant can use as it is:
names, versions and hashes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from uv import find_uv_bin

from shared.artefacts.archives import ArchiveError, pack_folder
from shared.execution.cache import size_of
from shared.execution.environments.index import Index, is_away, unknown_names
from shared.execution.environments.interpreters import Interpreter
from shared.execution.environments.workshop import Build, Workshop
from shared.execution.sandbox.port import EndedBy, Limits, Mount, Sandbox, SandboxResult, SandboxSpec
from shared.execution.words import why_ended

_BUILD_PATH = re.compile(r"/uv/(builds|cache)/|/input/")
_UV = "/tools/uv"
_OWN = "palio"
_WHEEL_PATH = re.compile(rf"^{_OWN} @ file:///input/wheels/(\S+\.whl)", re.MULTILINE)
_MAX_LOCK_BYTES = 8 << 20
_GIB = 1 << 30
_LIMITS = Limits(wall_time_s=1200, memory_bytes=4 * _GIB, file_bytes=8 * _GIB, output_bytes=0, log_bytes=1 << 18, processes=1024)
#: While it is built, an environment is there twice, in uv's cache and as links to it, and gets compiled modules besides.
_DISK_FACTOR = 3
_FULL_DISK = re.compile("No space left on device|Disk quota exceeded")


class EnvironmentBuildError(Exception):
    """The environment cannot be built. `detail` has the resolver's words; `is_temporary`: a second try may help."""

    def __init__(self, reason: str, detail: str | None = None, *, is_temporary: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.is_temporary = is_temporary


@dataclass(frozen=True)
class Pack:
    """A packed environment, and its digest, which names it."""

    path: Path
    digest: str


@dataclass(frozen=True)
class BuildLimits:
    """What resolving and what building may take: `time_s` each; an environment, unpacked, `environment_bytes`."""

    time_s: float = 1200
    environment_bytes: int = 20 * _GIB


class Builder:
    """Resolves and builds environments. `folder` keeps uv's cache, so that a second build is quick. Safe among threads."""

    def __init__(
        self, sandbox: Sandbox, folder: Path, index: Index, wheel_dir: Path | None, limits: BuildLimits | None = None
    ) -> None:
        self._sandbox = sandbox
        self._limits = limits or BuildLimits()
        self._workshop = Workshop(folder, self._limits.environment_bytes)
        self._index = index
        self._wheel_dir = wheel_dir if wheel_dir and wheel_dir.is_dir() else None
        self._uv = Path(find_uv_bin()).resolve()

    def resolve(self, requirements: Sequence[str], interpreter: Interpreter, as_of: str | None = None) -> str:
        """The lock: every package with its version and hashes, for this Python and platform, as the index was on day `as_of`.

        `requirements` must be checked ones. Raises `EnvironmentBuildError`.
        """
        with self._workshop.build(self._own_wheels(), self._limits.time_s) as build:
            build.give("requirements.in", "\n".join(self._with_own_wheel(requirements)) + "\n")
            arguments = [_UV, "pip", "compile", "/input/requirements.in", "--output-file", f"{build.inside}/lock.txt"]
            arguments += ["--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:"]
            arguments += ["--python", str(interpreter.executable)]
            if as_of:
                arguments += ["--exclude-newer", as_of]
            self._run(build, interpreter, arguments, "the requirements cannot be met", asks_index=True)
            return _without_paths(_read_lock(build))

    def build(self, lock: str, interpreter: Interpreter, target: Path) -> Pack:
        """Install a lock and pack the result into `target`. Raises `EnvironmentBuildError`."""
        python = str(interpreter.executable)
        with self._workshop.build(self._own_wheels(), self._limits.time_s) as build:
            build.give("lock.txt", lock)
            environment = f"{build.inside}/environment"
            made = [_UV, "venv", "--relocatable", "--python", python, environment]
            self._run(build, interpreter, made, "no environment can be made")
            installed = [_UV, "pip", "install", "--requirements", "/input/lock.txt", "--require-hashes", "--no-deps"]
            installed += ["--only-binary", ":all:", "--python", f"{environment}/bin/python"]
            self._run(build, interpreter, installed, "the locked packages cannot be installed", asks_index=True)
            # By the base interpreter: the environment's own would run what packages put into .pth files.
            self._run(build, interpreter, [python, "-s", *_compile(environment, interpreter)], None)
            if size_of(build.folder / "environment").bytes > self._limits.environment_bytes:
                raise self._too_large(None)
            try:
                digest = pack_folder(build.folder / "environment", target, compress=True, leave_out=_is_of_this_host)
            except ArchiveError as error:
                raise EnvironmentBuildError(f"the environment cannot be packed: {error}") from error
            return Pack(target, digest)

    def _with_own_wheel(self, requirements: Sequence[str]) -> list[str]:
        """The requirements with `palio` as the very file that this platform serves.

        By its name alone, whoever registers that name at the index could have any newer version installed.
        """
        lines = []
        for line in requirements:
            requirement = Requirement(line)
            if canonicalize_name(requirement.name) != _OWN:
                lines.append(line)
                continue
            wheels = sorted((parse_wheel_filename(path.name)[1], path.name) for path in self._own_wheels())
            fitting = [name for version, name in wheels if requirement.specifier.contains(version, prereleases=True)]
            if not fitting:
                has = ", ".join(str(version) for version, _ in wheels) or "none"
                raise EnvironmentBuildError(f"the kit asks for {line!r}; this platform has palio {has}")
            extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
            lines.append(f"{_OWN}{extras} @ file:///input/wheels/{fitting[-1]}")
        return lines

    def _own_wheels(self) -> list[Path]:
        return list(self._wheel_dir.glob(f"{_OWN}-*.whl")) if self._wheel_dir else []

    def _run(
        self, build: Build, interpreter: Interpreter, arguments: Sequence[str], failure: str | None, *, asks_index: bool = False
    ) -> None:
        """Run a program in the build sandbox. With no word for a failure, its exit code does not matter."""
        limits = replace(
            _LIMITS,
            wall_time_s=build.time_left_s,
            output_bytes=self._workshop.used_bytes() + _DISK_FACTOR * self._limits.environment_bytes,
        )
        mounts = [*interpreter.mounts, Mount(self._uv, _UV), Mount(build.input, "/input")]
        mounts.append(Mount(build.uv_folder, "/uv", writable=True))
        variables = self._variables()
        if asks_index:
            variables |= self._index.variables
        if asks_index and self._index.certificates:
            mounts.append(Mount(self._index.certificates.resolve(), "/tools/certificates.pem"))
            variables["SSL_CERT_FILE"] = "/tools/certificates.pem"
        spec = SandboxSpec(tuple(arguments), tuple(mounts), limits, variables, network=asks_index)
        result = self._sandbox.start(spec).wait()
        if result.exit_code == 0 or (failure is None and result.ended_by is EndedBy.EXIT):
            return
        words = _BUILD_PATH.sub("", result.log.decode(errors="replace"))
        for mount in interpreter.mounts:
            words = words.replace(str(mount.source), "python")
        raise self._failed(failure or "compiling failed", result, self._index.without_secrets(words), limits)

    def _variables(self) -> dict[str, str]:
        variables = {
            "HOME": "/tmp",  # noqa: S108 - inside it is private to the sandbox
            "NO_COLOR": "1",
            "UV_CACHE_DIR": "/uv/cache",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            # Without it, sets are compiled in another order each time.
            "PYTHONHASHSEED": "0",
        }
        if self._wheel_dir:
            variables["UV_FIND_LINKS"] = "/input/wheels"
        return variables

    def _failed(self, failure: str, result: SandboxResult, words: str, limits: Limits) -> EnvironmentBuildError:
        """The error that tells the organiser why a step failed."""
        if result.ended_by is EndedBy.OUTPUT_LIMIT:
            return self._too_large(words)
        if result.ended_by is not EndedBy.EXIT:
            # The steps share the time: what was left of it for this one says nothing.
            limits = replace(limits, wall_time_s=self._limits.time_s)
            return EnvironmentBuildError(f"{failure}: {why_ended(result, limits)}", words)
        if _FULL_DISK.search(words):
            # uv's cache goes when the build does: then there is room, or it is the operator's to make some.
            self._workshop.discard_cache()
            return EnvironmentBuildError(f"{failure}: the disk of the platform is full", words, is_temporary=True)
        if is_away(words):
            return EnvironmentBuildError(f"{failure}: the package index cannot be reached", words, is_temporary=True)
        unknown = unknown_names(words)
        if unknown:
            failure = f"{failure}: the package index has no {', '.join(unknown)}"
        return EnvironmentBuildError(failure, words)

    def _too_large(self, words: str | None) -> EnvironmentBuildError:
        allowed = f"{self._limits.environment_bytes:,} bytes (PALIO_CACHE_MAX_BYTES)"
        return EnvironmentBuildError(f"the environment is too large: a host keeps no more than {allowed}", words)


def _compile(environment: str, interpreter: Interpreter) -> list[str]:
    """Arguments that compile all modules ahead, since sandboxes cannot write; valid whatever times files get when unpacked.

    Tests of packages, half of all files, are left out: nothing imports them, and they would double the time. Some packages
    carry files for other Pythons, which fail.
    """
    arguments = ["-m", "compileall", "-q", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash", "-x", "/tests?/"]
    if interpreter.version != "3.8":
        # The name of the build's folder would make every build another one; Python 3.8 cannot leave it out.
        arguments += ["-s", environment, "-p", "/environment"]
    return [*arguments, f"{environment}/lib"]


def _read_lock(build: Build) -> str:
    path = build.folder / "lock.txt"
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_LOCK_BYTES:
        raise EnvironmentBuildError("the resolver gave no lock")
    return path.read_text()


def _without_paths(lock: str) -> str:
    """The lock with our own wheel by its version: its hash, which uv wrote, still lets nothing else pass."""
    return _WHEEL_PATH.sub(lambda match: f"{_OWN}=={parse_wheel_filename(match[1])[1]}", lock)


def _is_of_this_host(name: str) -> bool:
    """What the unpacker makes anew for the host it is on."""
    return name in {"pyvenv.cfg", "lib64"} or bool(re.fullmatch(r"bin/python[\d.]*", name))
