"""Each service starts with its own requirements alone, as in its image: what else is installed here is hidden from it."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from deploy.local.services import ROOT
from shared.events import Service

#: Refuses the modules named in its arguments as if they were not installed, then imports a service.
PROBE = """
import importlib.abc, sys
service, *hidden = sys.argv[1:]
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is not among its requirements", name=name)
sys.meta_path.insert(0, Hide())
__import__(f"services.{service}.main")
"""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(service: str) -> set[str]:
    """The distributions in a service's lock."""
    text = (ROOT / "requirements" / f"{service}.txt").read_text()
    return {normalised(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


@pytest.mark.parametrize("service", [service.value for service in Service])
def test_a_service_needs_nothing_but_its_own_requirements(service: str) -> None:
    own = locked(service)
    ours = {"services", "shared", "deploy", "operations", "benchmarks"}
    hidden = [
        module
        for module, distributions in packages_distributions().items()
        if module not in ours and not {normalised(distribution) for distribution in distributions} & own
    ]
    assert "pytest" in hidden
    done = subprocess.run([sys.executable, "-c", PROBE, service, *hidden], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


def test_a_trainer_carries_neither_a_database_driver_nor_a_web_framework() -> None:
    assert not locked("trainer") & {"fastapi", "starlette", "uvicorn", "sqlalchemy", "psycopg2-binary", "alembic", "jinja2"}
