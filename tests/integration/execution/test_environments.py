"""Environments built by uv in a sandbox: locked, packed, and at work in another sandbox."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from shared.execution.environments.build import Builder, EnvironmentBuildError
from shared.execution.environments.index import Index
from shared.execution.environments.interpreters import Interpreter, MissingInterpreterError, find_interpreter
from shared.execution.environments.unpacking import unpack_environment
from shared.execution.sandbox import Bubblewrap, Sandbox, SandboxSpec
from shared.execution.stations import ColdStations, Environment
from tests.integration.execution.layout import lay_out, submission_of
from tests.integration.execution.programs import LIMITS, PYTHON, ROOT
from tests.integration.execution.small_kits import classifier, tiny_kit


def run_in(sandbox: Sandbox, environment: Environment, code: str) -> str:
    spec = SandboxSpec(("/environment/bin/python", "-s", "-B", "-c", code), environment.mounts, LIMITS)
    result = sandbox.start(spec).wait()
    assert result.exit_code == 0, result.log.decode()
    return result.log.decode()


def test_a_lock_is_text_that_a_participant_can_use(builder: Builder, interpreter: Interpreter, wheel_dir: Path) -> None:
    lock = builder.resolve(("numpy<3", "palio"), interpreter)
    lines = lock.splitlines()
    assert any(line.startswith("numpy==2.") for line in lines)
    assert "://" not in lock
    assert str(ROOT) not in lock
    assert "/input" not in lock
    assert not [line for line in lines if line.startswith("-")]
    [wheel] = wheel_dir.glob("*.whl")
    _, _, after = lock.partition("palio==0.1.0 \\\n")
    assert after.splitlines()[0] == f"    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


def test_the_index_as_of_a_day_gives_that_days_versions(builder: Builder, interpreter: Interpreter) -> None:
    lock = builder.resolve(("numpy", "palio"), interpreter, as_of="2024-06-01")
    assert "numpy==1.26.4 " in lock
    assert "palio==" in lock


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        (("no-such-package-of-palio-tests",), "no-such-package-of-palio-tests"),
        (("numpy>=99",), "numpy>=99"),
        (("numpy<1.0",), "numpy"),
        (("palio>=99",), "this platform has palio 0.1.0"),
    ],
)
def test_what_cannot_be_met_is_told_in_the_resolvers_words(
    builder: Builder, interpreter: Interpreter, requirements: tuple[str, ...], words: str
) -> None:
    with pytest.raises(EnvironmentBuildError) as failure:
        builder.resolve(requirements, interpreter)
    assert words in f"{failure.value.reason} {failure.value.detail}"
    assert not failure.value.is_temporary
    assert "/uv/" not in str(failure.value.detail)


def test_a_lock_with_a_wrong_hash_is_not_installed(builder: Builder, interpreter: Interpreter, tmp_path: Path) -> None:
    lock = f"threadpoolctl==3.6.0 \\\n    --hash=sha256:{'0' * 64}\n"
    with pytest.raises(EnvironmentBuildError, match="cannot be installed") as failure:
        builder.build(lock, interpreter, tmp_path / "pack")
    assert "ash" in str(failure.value.detail)


def test_a_built_environment_works_wherever_it_is_unpacked(
    builder: Builder, sandbox: Bubblewrap, interpreter: Interpreter, tmp_path: Path
) -> None:
    lock = builder.resolve(("numpy", "threadpoolctl"), interpreter)
    first = builder.build(lock, interpreter, tmp_path / "first.tar.zst")
    second = builder.build(lock, interpreter, tmp_path / "second.tar.zst")
    assert first.digest == second.digest
    unpack_environment(first.path, tmp_path / "here", interpreter)
    code = """
import json, sys, numpy, threadpoolctl
print(json.dumps([numpy.__file__, numpy.__cached__ and __import__("os").path.exists(numpy.__cached__), sys.prefix, sys.version_info[:2]]))
"""
    file, is_compiled, prefix, version = json.loads(run_in(sandbox, Environment(tmp_path / "here", interpreter), code))
    assert file.startswith("/environment/lib/python3.11/site-packages/numpy/")
    assert is_compiled
    assert prefix == "/environment"
    assert version == [3, 11]


def test_what_a_package_puts_into_pth_files_does_not_run_during_the_build(
    sandbox: Bubblewrap, interpreter: Interpreter, tmp_path: Path
) -> None:
    import zipfile  # noqa: PLC0415 - only this test makes a wheel by hand

    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "palio-9.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("palio_evil.pth", "import os; open('/uv/evil', 'w')\n")
        wheel.writestr("palio-9.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: palio\nVersion: 9.0\n")
        wheel.writestr(
            "palio-9.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("palio-9.0.dist-info/RECORD", "")
    builder = Builder(sandbox, tmp_path / "building", Index.of(os.environ), wheels)
    builder.build(builder.resolve(("palio",), interpreter), interpreter, tmp_path / "pack")
    assert (tmp_path / "building" / "uv").is_dir()
    assert not (tmp_path / "building" / "uv" / "evil").exists()


@pytest.mark.parametrize("version", ["3.7", "2.7", "3.99", "3", "../3.11", "3.11.7"])
def test_a_python_that_is_not_there_is_named(version: str) -> None:
    with pytest.raises(MissingInterpreterError, match=r"there is .*3\.11|written like"):
        find_interpreter(version)


def other_versions() -> list[str]:
    found = []
    for minor in (8, 9, 10, 12, 13, 14):
        try:
            found.append(find_interpreter(f"3.{minor}").version)
        except MissingInterpreterError:
            continue
    return found


@pytest.mark.parametrize("version", other_versions() or [PYTHON])
def test_a_kit_is_prepared_trained_and_scored_under_every_python_of_this_host(
    version: str, builder: Builder, sandbox: Bubblewrap, stations: ColdStations, tmp_path: Path
) -> None:
    interpreter = find_interpreter(version)
    pack = builder.build(builder.resolve(("numpy",), interpreter), interpreter, tmp_path / "pack.tar.zst")
    unpack_environment(pack.path, tmp_path / "environment", interpreter)
    laid = lay_out(sandbox, Environment(tmp_path / "environment", interpreter), tiny_kit(tmp_path), tmp_path / "laid")
    scores = laid.train_and_score(stations, submission_of(tmp_path, {"classifier.py": classifier()}))
    assert scores.problems == ()
