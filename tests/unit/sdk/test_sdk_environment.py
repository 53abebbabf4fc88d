"""Making an environment for real: from a lock with hashes, and a wheel that only the server has. No index is asked."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from answer_server import Answer, AnswerServer

import palio
from palio.client import Client
from palio.client.answers import Environment
from palio.environment import EnvironmentFailedError, find_python, make_environment
from palio.kit_process import environment_python, python_in

HERE_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
WHEEL = "palio-9.9.9-py3-none-any.whl"


@cache
def _wheel() -> bytes:
    """A wheel named palio, with a module that says so. Made once, since its bytes hold the time."""
    files = {
        "palio.py": "WHERE = 'from the server'\n",
        "palio-9.9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: palio\nVersion: 9.9.9\n",
        "palio-9.9.9.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text)}\n"
    files["palio-9.9.9.dist-info/RECORD"] = f"{record}palio-9.9.9.dist-info/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return packed.getvalue()


def _environment(wheel: bytes, python_version: str = HERE_VERSION, digest: str = "d1") -> Environment:
    lock = f"palio==9.9.9 \\\n    --hash=sha256:{hashlib.sha256(wheel).hexdigest()}\n"
    return Environment(python_version=python_version, requirements=lock, digest=digest)


@pytest.fixture
def client(server: AnswerServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    server.answer("GET /packages/simple/palio/", Answer(body=f'<a href="/packages/{WHEEL}">{WHEEL}</a>'))
    server.answer(f"GET /packages/{WHEEL}", Answer(body=_wheel()))
    with Client(server.url) as client:
        yield client


def _where_palio_is_from(kit: Path) -> str:
    code = "import palio; print(palio.WHERE)"
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [environment_python(kit), "-c", code], capture_output=True, text=True, check=True, env=quiet
    ).stdout.strip()


def test_the_environment_holds_what_the_lock_names_and_is_made_once(tmp_path: Path, client: Client) -> None:
    lines: list[str] = []
    assert environment_python(tmp_path) == sys.executable
    assert make_environment(tmp_path, _environment(_wheel()), client, lines.append)
    assert _where_palio_is_from(tmp_path) == "from the server"
    assert any("palio" in line for line in lines)
    assert not make_environment(tmp_path, _environment(_wheel()), client, lines.append)
    assert make_environment(tmp_path, _environment(_wheel(), digest="d2"), client, lines.append)


def test_a_wheel_with_another_hash_than_the_lock_leaves_no_environment(tmp_path: Path, client: Client) -> None:
    with pytest.raises(EnvironmentFailedError, match="--no-environment") as caught:
        make_environment(tmp_path, _environment(b"another wheel"), client, lambda _: None)
    assert "hash" in (caught.value.detail or "").lower()
    assert not (tmp_path / ".venv").exists()


def test_a_wheel_that_the_server_lacks_is_told(tmp_path: Path, server: AnswerServer, client: Client) -> None:
    server.answer("GET /packages/simple/palio/", Answer(body=""))
    with pytest.raises(EnvironmentFailedError, match=r"needs palio 9.9.9, which it does not offer"):
        make_environment(tmp_path, _environment(_wheel()), client, lambda _: None)
    assert not (tmp_path / ".venv").exists()


def test_an_environment_of_somebody_else_is_left_alone(tmp_path: Path, client: Client) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "precious").touch()
    with pytest.raises(EnvironmentFailedError, match="was not made by palio"):
        make_environment(tmp_path, _environment(_wheel()), client, lambda _: None)
    assert (tmp_path / ".venv" / "precious").exists()


def test_an_environment_that_was_broken_off_is_made_again(tmp_path: Path, client: Client) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "palio-environment.json").write_text('{"digest": ""}')
    (tmp_path / ".venv" / "half").touch()
    assert make_environment(tmp_path, _environment(_wheel()), client, lambda _: None)
    assert not (tmp_path / ".venv" / "half").exists()


def test_this_python_is_found_and_one_that_nobody_has_is_not() -> None:
    assert find_python(HERE_VERSION) == [sys.executable]
    assert find_python("3.999") is None


@pytest.fixture(scope="module")
def python_without_uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the tests' packages and no uv beside it."""
    environment = tmp_path_factory.mktemp("without-uv") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    # A path that a .pth file names is not searched for more of them, so the SDK, if it is installed editable, is named too.
    own = Path(palio.__file__).parents[1]
    next((environment / "lib").glob("python*/site-packages")).joinpath("tests.pth").write_text(f"{packages}\n{own}\n")
    return python_in(environment)


@pytest.mark.parametrize("version", [HERE_VERSION, "3.999"])
def test_without_uv_it_is_made_by_venv_and_pip_or_the_way_out_told(
    tmp_path: Path, client: Client, python_without_uv: Path, version: str
) -> None:
    wanted = _environment(_wheel(), python_version=version)
    code = f"""
from pathlib import Path
from palio.client import Client
from palio.environment import EnvironmentFailedError, make_environment
with Client({client.server!r}) as client:
    try:
        make_environment(Path({str(tmp_path)!r}), {wanted!r}, client, lambda line: None)
    except EnvironmentFailedError as error:
        raise SystemExit(f"{{error}} {{error.detail}}")
"""
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    finished = subprocess.run([python_without_uv, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if version == HERE_VERSION:
        assert finished.returncode == 0, finished.stderr
        assert _where_palio_is_from(tmp_path) == "from the server"
    else:
        assert finished.returncode == 1
        assert f"runs submissions under Python 3.999; this is Python {HERE_VERSION}" in finished.stderr
        assert "pip install uv" in finished.stderr
