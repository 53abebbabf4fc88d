"""Environments that cannot be had: an index that is away, too much for the disk or the cache, too slow; always in the resolver's words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.execution.environments.build import Builder, BuildLimits, EnvironmentBuildError
from shared.execution.environments.index import Index
from shared.execution.environments.interpreters import Interpreter
from shared.execution.environments.pythons import python_for
from shared.execution.environments.requirements import requirements_of
from shared.execution.sandbox import Bubblewrap, EndedBy, SandboxResult
from tests.integration.execution.programs import LIMITS
from tests.support.package_index import PackageIndex, package_index, write_wheel
from tests.support.ramp_environment_files import RAMP_ENVIRONMENT_FILES

MIB = 1 << 20


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    with package_index(tmp_path / "index") as index:
        # Half of it takes no room when packed, half cannot be packed: five times the limits below.
        content = {"large/zeros": bytes(3 * MIB), "large/__init__.py": b""}
        write_wheel(tmp_path / "index", "large", "1.0", content | {f"large/{n}": bytes(range(256)) * 8192 for n in range(4)})
        write_wheel(tmp_path / "index", "small", "1.0", {"small.py": b"x = 1\n"})
        yield index


def builder_of(index_url: str, folder: Path, limits: BuildLimits | None = None, **variables: str) -> Builder:
    """A builder that knows this index only, and asks it once."""
    known = Index({"UV_DEFAULT_INDEX": index_url, "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "5", **variables}, None)
    return Builder(Bubblewrap(), folder / "building", known, None, limits)


def failure_of(builder: Builder, requirement: str, interpreter: Interpreter, folder: Path) -> EnvironmentBuildError:
    with pytest.raises(EnvironmentBuildError) as failure:
        builder.build(builder.resolve((requirement,), interpreter), interpreter, folder / "pack")
    assert not list((folder / "building").glob("inputs/*"))
    assert not list((folder / "building").glob("uv/builds/*"))
    return failure.value


@pytest.mark.parametrize(
    "url", ["http://user:secret-word@127.0.0.1:9/simple", "http://user:secret-word@no-such-host.invalid/simple"]
)
def test_an_index_that_is_away_may_come_back(url: str, interpreter: Interpreter, tmp_path: Path) -> None:
    failure = failure_of(builder_of(url, tmp_path), "small", interpreter, tmp_path)
    assert failure.is_temporary
    assert failure.reason == "the requirements cannot be met: the package index cannot be reached"
    detail = str(failure.detail)
    assert "error sending request" in detail
    for hidden in ("secret-word", "user", "/input", "/uv", str(tmp_path), str(interpreter.base_prefix)):
        assert hidden not in detail


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_index_that_is_broken_may_come_back(
    status: int, index: PackageIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    index.always = status
    failure = failure_of(builder_of(index.url, tmp_path), "small", interpreter, tmp_path)
    assert failure.is_temporary
    assert str(status) in str(failure.detail)


def test_an_index_that_breaks_before_the_wheel_is_there_may_come_back(
    index: PackageIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    builder = builder_of(index.url, tmp_path)
    lock = builder.resolve(("small",), interpreter)
    index.always = 503
    elsewhere = builder_of(index.url, tmp_path / "cold")
    with pytest.raises(EnvironmentBuildError, match="the locked packages cannot be installed: the package index") as failure:
        elsewhere.build(lock, interpreter, tmp_path / "pack")
    assert failure.value.is_temporary


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_index_that_says_no_will_say_no_again(
    status: int, index: PackageIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    index.always = status
    failure = failure_of(builder_of(index.url, tmp_path), "small", interpreter, tmp_path)
    assert not failure.is_temporary
    assert failure.reason == "the requirements cannot be met: the package index has no small"
    assert "small was not found in the package registry" in str(failure.detail)


@pytest.mark.parametrize(
    ("requirement", "reason", "words"),
    [
        ("timed-out-connection", "the package index has no timed-out-connection", "was not found in the package registry"),
        ("small>=2", "the requirements cannot be met", "you require small>=2"),
        ("small==1.0; python_version < '3'", None, None),
    ],
)
def test_what_cannot_be_solved_is_not_worth_another_try(
    requirement: str, reason: str | None, words: str | None, index: PackageIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    builder = builder_of(index.url, tmp_path)
    if reason is None:
        assert builder.resolve((requirement,), interpreter).strip() == ""
        return
    failure = failure_of(builder, requirement, interpreter, tmp_path)
    assert not failure.is_temporary
    assert reason in failure.reason
    assert str(words) in str(failure.detail)


def test_a_package_that_would_have_to_be_built_is_refused_in_words(
    index: PackageIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    (tmp_path / "index" / "source-1.0.tar.gz").write_bytes(b"")
    # Listed as indexes list both kinds: by the name before the first dash.
    write_wheel(tmp_path / "index", "source", "1.0", {}).rename(tmp_path / "index" / "source-1.0-cp27-cp27m-win32.whl")
    failure = failure_of(builder_of(index.url, tmp_path), "source", interpreter, tmp_path)
    assert not failure.is_temporary
    assert "source" in str(failure.detail)
    assert "wheels" in str(failure.detail)


def test_an_environment_larger_than_the_cache_is_refused_before_it_is_packed(
    index: PackageIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    limits = BuildLimits(environment_bytes=10 * MIB)
    failure = failure_of(builder_of(index.url, tmp_path, limits), "large", interpreter, tmp_path)
    assert not failure.is_temporary
    assert failure.reason == "the environment is too large: a host keeps no more than 10,485,760 bytes (PALIO_CACHE_MAX_BYTES)"
    assert not (tmp_path / "pack").exists()
    # What only just fits is built.
    builder = builder_of(index.url, tmp_path, BuildLimits(environment_bytes=20 * MIB))
    builder.build(builder.resolve(("large",), interpreter), interpreter, tmp_path / "pack")


def test_a_build_that_fills_the_disk_is_stopped_while_it_does(
    index: PackageIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    failure = failure_of(builder_of(index.url, tmp_path, BuildLimits(environment_bytes=MIB)), "large", interpreter, tmp_path)
    assert "too large" in failure.reason
    assert not failure.is_temporary
    # What it left in uv's cache is more than the cache may keep.
    assert sum(path.stat().st_size for path in (tmp_path / "building").rglob("*") if path.is_file()) < MIB


def test_a_build_that_takes_too_long_is_ended(index: PackageIndex, interpreter: Interpreter, tmp_path: Path) -> None:
    index.answers.clear()
    failure = failure_of(builder_of(index.url, tmp_path, BuildLimits(time_s=0.5)), "small", interpreter, tmp_path)
    assert failure.reason == "the requirements cannot be met: it took more than 0.5 seconds"
    assert not failure.is_temporary
    assert index.asked == ["/simple/small/"]


def test_a_full_disk_may_be_mended_and_the_build_cache_goes_first(
    index: PackageIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    words = "cause: failed to write to file `/uv/cache/.tmpT/_umath.so`: No space left on device (os error 28)"
    result = SandboxResult(EndedBy.EXIT, 1, None, b"", ())
    builder = builder_of(index.url, tmp_path)
    lock = builder.resolve(("small",), interpreter)
    failure = builder._failed("the locked packages cannot be installed", result, words, LIMITS)
    assert failure.is_temporary
    assert failure.reason == "the locked packages cannot be installed: the disk of the platform is full"
    builder._workshop.tidy()
    assert not (tmp_path / "building" / "uv").exists()
    builder.build(lock, interpreter, tmp_path / "pack")


@pytest.mark.parametrize("name", sorted(RAMP_ENVIRONMENT_FILES))
def test_the_environment_files_of_ramps_kits_are_locked(name: str, builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(RAMP_ENVIRONMENT_FILES[name])
    requirements = requirements_of(tmp_path)
    lock = builder.resolve(requirements.lines, python_for(None, requirements.python))
    assert "numpy==" in lock
    assert lock.count("--hash=sha256:") >= lock.count("==")
