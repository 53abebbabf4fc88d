"""Each service starts with nothing but its own locked requirements, as its container has."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.services import ROOT

SERVICES = ("ingest", "relay", "orchestrator", "trainer", "scorer", "leaderboard", "mailer", "portal")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_with_its_own_requirements_alone(service: str, tmp_path: Path) -> None:
    uv, python = Path(sys.executable).parent / "uv", tmp_path / "venv/bin/python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    lock = ROOT / "requirements" / f"{service}.txt"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", lock], check=True)
    done = subprocess.run(
        [python, "-c", f"import services.{service}.main"], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_trainer_carries_no_web_framework_and_no_database_driver() -> None:
    names = {line.split("==")[0] for line in (ROOT / "requirements/trainer.txt").read_text().splitlines() if "==" in line}
    assert names.isdisjoint({"fastapi", "starlette", "uvicorn", "sqlalchemy", "psycopg2-binary", "alembic", "pwdlib"})
