"""The arena of the attacks, with a trainer that root started and one that an ordinary user started."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from deploy.local.services import _says_ready, service_of
from deploy.local.stack import Stack
from shared.bus.topology import trainer_user
from tests.attack.arena import LIMITS, POOLS, Arena
from tests.attack.attacks import FOLDER
from tests.attack.planted import Planted, canary
from tests.support.free_port import free_port
from tests.support.ordinary_user import interpreter_for, ordinary_uid, started_as
from tests.support.people import Person, publish
from tests.support.waiting import wait_until

NO_PYTHON = "no Python that an ordinary user can run reaches this repository"


@contextmanager
def ordinary(platform: Stack, program: str, settings: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A service of the platform that an ordinary user started, on a host where everything else is root's; with more settings."""
    # Not below the platform's folder, which only root may enter.
    home, port = Path(tempfile.mkdtemp(prefix="palio-ordinary-")), free_port()
    own = {"PALIO_CACHE_DIR": str(home / "cache"), "PALIO_HTTP_PORT": str(port)}
    log = platform.log_folder / f"{program}-ordinary.log"
    arguments = ["-m", f"services.{service_of(program)}"]
    process = started_as(ordinary_uid(), arguments, {**platform.services.environment(program), **own, **settings}, home, log)
    try:
        wait_until(lambda: _says_ready(port) or process.poll() is not None, f"the ordinary user's {program}")
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def ordinary_trainer(platform: Stack) -> Iterator["subprocess.Popen[bytes] | None"]:
    """The trainer of pool `ordinary`."""
    if "ordinary" not in POOLS:
        yield None
        return
    user = trainer_user("ordinary")
    settings = {
        "PALIO_POOL": "ordinary",
        "PALIO_AMQP_URL": platform.rabbitmq.url(user),
        "PALIO_S3_ACCESS_KEY": user,
        "PALIO_S3_SECRET_KEY": platform.seaweedfs.secret(user),
    }
    if not ordinary_users_can_run_it():
        yield None
        return
    with ordinary(platform, "trainer-1", settings) as process:
        yield process


def ordinary_users_can_run_it() -> bool:
    """Whether there is a Python that an ordinary user can run, and that reaches this repository."""
    return interpreter_for(ordinary_uid()) is not None


@pytest.fixture(scope="module", params=["root", "ordinary"] if os.geteuid() == 0 else ["ordinary"])
def scorer(platform: Stack, request: pytest.FixtureRequest) -> Iterator[str]:
    """Who runs the scorer for the time of a module: the platform's own is run by whoever runs the tests."""
    if request.param == "root" or os.geteuid() != 0:
        yield request.param
        return
    if not ordinary_users_can_run_it():
        pytest.skip(NO_PYTHON)
    platform.supervisor.stop_program("scorer")
    try:
        with reachable_database(platform) as url, ordinary(platform, "scorer", {"PALIO_DATABASE_URL": url}):
            yield request.param
    finally:
        platform.supervisor.start_program("scorer")
        platform.supervisor.wait_ready([platform.supervisor.program("scorer")], limit_s=60)


@contextmanager
def reachable_database(platform: Stack) -> Iterator[str]:
    """The scorer's URL of the database through a second name of its socket, in a folder that everybody may enter."""
    url = make_url(platform.services.environment("scorer")["PALIO_DATABASE_URL"])
    socket = Path(str(url.query["host"])) / ".s.PGSQL.5432"
    with tempfile.TemporaryDirectory(prefix="palio-socket-") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / socket.name).hardlink_to(socket)
        socket.chmod(0o777)
        try:
            yield url.update_query_dict({"host": folder}).render_as_string(hide_password=False)
        finally:
            socket.chmod(0o700)


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
    pools = POOLS if ordinary_trainer else ("default",)
    return Arena(platform, organiser, register("mallory"), register("neighbour"), planted, pools)


@pytest.fixture(params=POOLS)
def pool(arena: Arena, request: pytest.FixtureRequest) -> str:
    """Each pool: each user that runs a trainer."""
    if request.param not in arena.pools:
        pytest.skip(NO_PYTHON)
    return str(request.param)


@pytest.fixture(scope="session")
def others_submission(arena: Arena) -> str:
    """A submission in a pool that no trainer serves: it waits in that pool's queue."""
    settings = {"pool": "unserved", "limits": LIMITS}
    arena.organiser.client.create_challenge("unserved", "Served by nobody", "attacked", settings)
    arena.neighbour.client.join("unserved")
    submission_id = arena.submit_starter("unserved", "waits", "unserved")
    client = arena.neighbour.client
    wait_until(lambda: client.submission(submission_id)["state"] == "queued", "the submission to be queued")
    return submission_id
