"""The arena of the attacks, with a trainer that root started and one that an ordinary user started."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.services import _says_ready
from deploy.local.stack import Stack
from shared.bus.topology import trainer_user
from tests.attack.arena import POOLS, Arena
from tests.attack.attacks import FOLDER
from tests.attack.planted import Planted, canary
from tests.support.free_port import free_port
from tests.support.ordinary_user import ordinary_uid, started_as
from tests.support.people import Person, publish
from tests.support.waiting import wait_until


@pytest.fixture(scope="session")
def ordinary_trainer(platform: Stack) -> Iterator["subprocess.Popen[bytes] | None"]:
    """A trainer of pool `ordinary` that an ordinary user started, on a host where everything else is root's."""
    if "ordinary" not in POOLS:
        yield None
        return
    # Not below the platform's folder, which only root may enter.
    home = Path(tempfile.mkdtemp(prefix="palio-ordinary-"))
    user, port = trainer_user("ordinary"), free_port()
    environment = {
        **platform.services.environment("trainer-1"),
        "PALIO_POOL": "ordinary",
        "PALIO_AMQP_URL": platform.rabbitmq.url(user),
        "PALIO_S3_ACCESS_KEY": user,
        "PALIO_S3_SECRET_KEY": platform.seaweedfs.secret(user),
        "PALIO_CACHE_DIR": str(home / "cache"),
        "PALIO_HTTP_PORT": str(port),
    }
    log = platform.log_folder / "trainer-ordinary.log"
    process = started_as(ordinary_uid(), ["-m", "services.trainer"], environment, home, log)
    try:
        wait_until(lambda: _says_ready(port) or process.poll() is not None, "the ordinary user's trainer")
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def planted(platform: Stack) -> Planted:
    """The secrets: of the problem, of a neighbour, and every credential of the platform."""
    planted = Planted()
    planted.canaries["a neighbour's source"] = canary()
    planted.canaries["a neighbour's log"] = canary()
    planted.canaries.update({f"the secret {name}": secret for name, secret in platform.credentials._secrets.items()})
    return planted


@pytest.fixture(scope="session")
def attacked_kit(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit, with its data."""
    folder = tmp_path_factory.mktemp("attacked") / "kit"
    shutil.copytree(FOLDER / "kit", folder)
    planted.write_data(folder)
    return folder


@pytest.fixture(scope="session")
def arena(
    platform: Stack,
    ordinary_trainer: object,
    organiser: Person,
    register: Callable[[str], Person],
    planted: Planted,
    attacked_kit: Path,
) -> Arena:
    """The problem and its challenges, with a starter scored in each pool."""
    assert publish(organiser.client, "attacked", attacked_kit)["state"] == "prepared"
    return Arena(platform, organiser, register("mallory"), register("neighbour"), planted, POOLS)
