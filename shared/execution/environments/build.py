"""Building an environment: from requirements to a lock, and from a lock to one packed file, by uv, in a sandbox.

Nothing of what is installed runs: wheels only, from the index and our own wheel folder. The sandbox has the network, since
the index is there, and no credentials. The lock is text that a participant can use as it is: names, versions and hashes.
"""

import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from uv import find_uv_bin

from shared.artefacts.archives import ArchiveError, pack_folder
from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox.port import EndedBy, Limits, Mount, Sandbox, SandboxSpec
from shared.execution.words import shown, why_ended

#: What of the operator's environment leads to the index; everything else stays out.
_PASSED_ON = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_HTTP_TIMEOUT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
_CREDENTIALS = re.compile(r"(\w+://)[^/\s@]+@")
_BUILD_PATH = re.compile(r"/uv/builds/\w+/|/input/")
#: Words of uv when the index could not be reached: only then a second try may help.
_TEMPORARY = re.compile(
    r"error sending request|connection|timed out|timeout|dns error|failed to lookup|50[234] |429 ", re.IGNORECASE
)
_UV = "/tools/uv"
_OWN = "palio"
_WHEEL_PATH = re.compile(rf"^{_OWN} @ file:///input/wheels/(\S+\.whl)", re.MULTILINE)
_MAX_WORDS = 8000
_MAX_LOCK_BYTES = 8 << 20
_GIB = 1 << 30
_LIMITS = Limits(
    wall_time_s=1200, memory_bytes=4 * _GIB, file_bytes=8 * _GIB, output_bytes=1 << 42, log_bytes=1 << 18, processes=1024
)


class EnvironmentBuildError(Exception):
    """The environment cannot be built. `detail` has the resolver's words; `is_temporary`: a second try may help."""

    def __init__(self, reason: str, detail: str | None = None, *, is_temporary: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.is_temporary = is_temporary


@dataclass(frozen=True)
class Index:
    """How uv reaches a package index: variables for it, and the file of certificates to trust (None: uv's own)."""

    variables: Mapping[str, str]
    certificates: Path | None

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "Index":
        """From an operator's environment variables, as pip and uv read them."""
        certificates = variables.get("SSL_CERT_FILE")
        kept = {name: variables[name] for name in _PASSED_ON if name in variables}
        return cls(kept, Path(certificates) if certificates and Path(certificates).is_file() else None)


@dataclass(frozen=True)
class Pack:
    """A packed environment, and its digest, which names it."""

    path: Path
    digest: str


class Builder:
    """Resolves and builds environments. `folder` keeps uv's cache, so that a second build is quick. Safe among threads."""

    def __init__(self, sandbox: Sandbox, folder: Path, index: Index, wheel_dir: Path | None, time_limit_s: float = 1200) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._index = index
        self._wheel_dir = wheel_dir if wheel_dir and wheel_dir.is_dir() else None
        self._limits = replace(_LIMITS, wall_time_s=time_limit_s)
        self._uv = _find_uv()

    def resolve(self, requirements: Sequence[str], interpreter: Interpreter, as_of: str | None = None) -> str:
        """The lock: every package with its version and hashes, for this Python and platform, as the index was on day `as_of`.

        `requirements` must be checked ones. Raises `EnvironmentBuildError`.
        """
        with self._build() as build:
            build.give("requirements.in", "\n".join(self._with_own_wheel(requirements)) + "\n")
            arguments = [_UV, "pip", "compile", "/input/requirements.in", "--output-file", f"{build.inside}/lock.txt"]
            arguments += ["--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:"]
            arguments += ["--python", str(interpreter.executable)]
            if as_of:
                arguments += ["--exclude-newer", as_of]
            self._run(build, interpreter, arguments, "the requirements cannot be met")
            return _without_paths(build.read("lock.txt"))

    def build(self, lock: str, interpreter: Interpreter, target: Path) -> Pack:
        """Install a lock and pack the result into `target`. Raises `EnvironmentBuildError`."""
        python = str(interpreter.executable)
        with self._build() as build:
            build.give("lock.txt", lock)
            environment = f"{build.inside}/environment"
            made = [_UV, "venv", "--relocatable", "--python", python, environment]
            self._run(build, interpreter, made, "no environment can be made")
            installed = [_UV, "pip", "install", "--requirements", "/input/lock.txt", "--require-hashes", "--no-deps"]
            installed += ["--only-binary", ":all:", "--python", f"{environment}/bin/python"]
            self._run(build, interpreter, installed, "the locked packages cannot be installed")
            # By the base interpreter: the environment's own would run what packages put into .pth files.
            self._run(build, interpreter, [python, "-s", *_compile(environment, interpreter)], None)
            try:
                digest = pack_folder(build.folder / "environment", target, compress=True, leave_out=_is_of_this_host)
            except ArchiveError as error:
                raise EnvironmentBuildError(f"the environment cannot be packed: {error}") from error
            return Pack(target, digest)

    def _build(self) -> "_Build":
        return _Build(self._folder, self._own_wheels())

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

    def _run(self, build: "_Build", interpreter: Interpreter, arguments: Sequence[str], failure: str | None) -> None:
        """Run a program in the build sandbox. With no word for a failure, its exit code does not matter."""
        mounts = [
            *interpreter.mounts,
            Mount(self._uv, _UV),
            Mount(build.input, "/input"),
            Mount(self._folder, "/uv", writable=True),
        ]
        variables = {
            **self._index.variables,
            "HOME": "/tmp",  # noqa: S108 - inside it is private to the sandbox
            "NO_COLOR": "1",
            "UV_CACHE_DIR": "/uv/cache",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            # Without it, sets are compiled in another order each time.
            "PYTHONHASHSEED": "0",
        }
        if self._index.certificates:
            mounts.append(Mount(self._index.certificates.resolve(), "/tools/certificates.pem"))
            variables["SSL_CERT_FILE"] = "/tools/certificates.pem"
        if self._wheel_dir:
            variables["UV_FIND_LINKS"] = "/input/wheels"
        spec = SandboxSpec(tuple(arguments), tuple(mounts), self._limits, variables, network=True)
        result = self._sandbox.start(spec).wait()
        if result.exit_code == 0 or (failure is None and result.ended_by is EndedBy.EXIT):
            return
        words = _CREDENTIALS.sub(r"\1", _BUILD_PATH.sub("", result.log.decode(errors="replace")))
        if result.ended_by is not EndedBy.EXIT:
            raise EnvironmentBuildError(
                f"{failure or 'compiling failed'}: {why_ended(result, self._limits)}", shown(words, _MAX_WORDS)
            )
        raise EnvironmentBuildError(failure or "", shown(words, _MAX_WORDS), is_temporary=bool(_TEMPORARY.search(words)))


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


class _Build:
    """The folders of one build: what it is given, and, made by uv, what it makes. Gone at the end."""

    def __init__(self, folder: Path, wheels: Sequence[Path]) -> None:
        self._wheels = wheels
        name = secrets.token_hex(8)
        self.input = folder.parent / f"{folder.name}-input-{name}"
        self.folder = folder / "builds" / name
        self.inside = f"/uv/builds/{name}"
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        # Copied, and opened to the sandbox's user: the folder they are served from may be closed to it.
        for folder in (self.input, self.input / "wheels"):
            folder.mkdir()
            folder.chmod(0o755)
        for wheel in self._wheels:
            shutil.copyfile(wheel, self.input / "wheels" / wheel.name)
            (self.input / "wheels" / wheel.name).chmod(0o644)
        return self

    def give(self, name: str, content: str) -> None:
        """A file in `/input`."""
        (self.input / name).write_text(content)
        (self.input / name).chmod(0o644)

    def __exit__(self, *_error: object) -> None:
        shutil.rmtree(self.input, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def read(self, name: str) -> str:
        path = self.folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_LOCK_BYTES:
            raise EnvironmentBuildError("the resolver gave no lock")
        return path.read_text()


def _without_paths(lock: str) -> str:
    """The lock with our own wheel by its version: its hash, which uv wrote, still lets nothing else pass."""
    return _WHEEL_PATH.sub(lambda match: f"{_OWN}=={parse_wheel_filename(match[1])[1]}", lock)


def _is_of_this_host(name: str) -> bool:
    """What the unpacker makes anew for the host it is on."""
    return name in {"pyvenv.cfg", "lib64"} or bool(re.fullmatch(r"bin/python[\d.]*", name))


def _find_uv() -> Path:
    return Path(find_uv_bin()).resolve()
