"""Real stacks: what a start makes, what a stop and a kill leave."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import aio_pika
import psutil  # type: ignore[import-untyped] # it has no types
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from deploy.local.folder import StackFolder
from deploy.local.processes import marked_processes
from deploy.local.program import MARK
from deploy.local.services import SETTINGS, Processes, service_of
from deploy.local.stack import Stack
from deploy.local.trouble import TroubleError
from shared.artefacts import Bucket, Store, content_key
from shared.bus.topology import EVENTS, event_queue
from shared.events import Service
from tests.support.servers import Servers, local_servers

DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
CONTENT = b"hello"
#: A folder's name that breaks what is quoted badly.
ODD = "a folder; 100% #odd"


def until(condition: Callable[[], bool], limit_s: float = 30) -> bool:
    """Whether the condition becomes true in time."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def pids(mark: str) -> set[int]:
    """The live processes of a stack."""
    processes = marked_processes(mark)
    for process in processes:
        os.close(process.descriptor)
    return {process.pid for process in processes}


def mark_of(stack: Stack) -> str:
    return stack.credentials.secret("stack", "mark")


def publish(stack: Stack, body: bytes) -> None:
    asyncio.run(_publish(stack, body))


async def _publish(stack: Stack, body: bytes) -> None:
    async with await aio_pika.connect_robust(stack.rabbitmq.url("operator")) as connection:
        exchange = await (await connection.channel()).get_exchange(EVENTS, ensure=False)
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await exchange.publish(message, routing_key="ProblemPublished")


def take(stack: Stack) -> bytes:
    return asyncio.run(_take(stack))


async def _take(stack: Stack) -> bytes:
    async with await aio_pika.connect_robust(stack.rabbitmq.url("operator")) as connection:
        queue = await (await connection.channel()).get_queue(event_queue(Service.SCORER), ensure=False)
        message = await queue.get(no_ack=True, timeout=10)
        assert message is not None
        return message.body


def run_sql(stack: Stack, statement: str) -> list[tuple[object, ...]]:
    engine = create_engine(stack.postgres.owner_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


def test_data_survive_a_stop_and_a_kill_and_nothing_stays_behind(tmp_path: Path) -> None:
    lines: list[str] = []
    with Stack(tmp_path / ODD, report=lines.append) as stack:
        stack.start_servers()
        stack.migrate()
        mark = mark_of(stack)
        _assert_all_listen_on_loopback(pids(mark))
        run_sql(stack, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('hello')")
        Store(local_servers(stack).store_settings("ingest")).put_bytes(Bucket.KITS, content_key(DIGEST), CONTENT)
        publish(stack, CONTENT)
        _assert_filer_refuses_strangers(stack)

        with pytest.raises(TroubleError, match=f"process {os.getpid()}"):
            Stack(stack.path).start_servers()

        # Killed one by one, each comes back with what it had acknowledged.
        for name in ("postgres", "rabbitmq", "seaweedfs", "epmd", "mailcatcher"):
            before = stack.supervisor.pid(name)
            assert before is not None
            os.kill(before, signal.SIGKILL)
            assert until(lambda name=name, before=before: stack.supervisor.pid(name) not in {None, before})  # type: ignore[misc]
        for name in ("postgres", "rabbitmq", "seaweedfs", "epmd", "mailcatcher"):
            stack.supervisor.wait_ready([stack.supervisor.program(name)], limit_s=60)
        assert run_sql(stack, "SELECT word FROM kept") == [("hello",)]
    assert pids(mark) == set()

    # A process that an earlier start left behind, and one of somebody else's.
    with (
        subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], MARK: mark}) as leftover,
        subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], MARK: "another"}) as stranger,
        Stack(tmp_path / ODD, report=lines.append) as stack,
    ):
        stack.start_servers()
        stack.migrate()
        assert leftover.wait(1) == -signal.SIGTERM
        assert any("left behind" in line for line in lines)
        assert stranger.poll() is None
        stranger.kill()
        assert run_sql(stack, "SELECT word FROM kept") == [("hello",)]
        assert Store(local_servers(stack).store_settings("scorer")).get_bytes(Bucket.KITS, content_key(DIGEST)) == CONTENT
        assert take(stack) == CONTENT
    assert pids(mark) == set()


def test_killing_the_starter_ends_everything_it_started(tmp_path: Path) -> None:
    starter = (
        "import pathlib, sys, time; from deploy.local.stack import Stack\n"
        "stack = Stack(pathlib.Path(sys.argv[1]), durable=False); stack.start_servers()\n"
        "print(stack.credentials.secret('stack', 'mark'), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", starter, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        mark = process.stdout.readline().strip()
        assert len(pids(mark)) > 5
        process.kill()
    assert until(lambda: pids(mark) == set(), 60)


def test_a_start_that_fails_half_way_says_what_failed_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    (folder / "postgres" / "data").mkdir(parents=True)
    (folder / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    stack = Stack(folder, durable=False)
    with pytest.raises(TroubleError, match=r"PostgreSQL does not become ready.*postgres\.log"):
        stack.start_servers()
    assert pids(mark_of(stack)) == set()
    folder_again = StackFolder(folder)
    folder_again.take()
    folder_again.release()


def test_a_front_door_whose_port_is_taken_stops_the_start_before_anything_runs(tmp_path: Path, servers: Servers) -> None:
    with pytest.raises(TroubleError, match=f"Port {servers.smtp_port} is taken"):
        Stack(tmp_path / "stack", front_port=servers.smtp_port).start_servers()
    assert not (tmp_path / "stack").exists()


def test_each_program_is_told_only_its_own_secrets(tmp_path: Path) -> None:
    """Rendered as a start does it, without starting anything."""
    stack = Stack(tmp_path / "stack", durable=False, processes=Processes(trainers=2))
    with stack.rendered():
        secrets = {
            **{f"database of {name}": secret for name, secret in stack.credentials.database().items()},
            **{f"broker of {name}": secret for name, secret in stack.credentials.broker(stack.pools).items()},
            **{f"store of {name}": secret for name, secret in stack.credentials.store(stack.pools).items()},
        }
        for name in Processes(trainers=2).names:
            environment = stack.services.environment(name)
            known = {whose for whose, secret in secrets.items() if any(secret in value for value in environment.values())}
            user = "trainer-default" if name.startswith("trainer") else name
            assert {whose.split(" of ")[1] for whose in known} <= {user}, name
            given = {key.lower().removeprefix("palio_"): value for key, value in environment.items() if key != "PALIO_POOLS"}
            SETTINGS[service_of(name)].model_validate(given)
            assert "PALIO_OWNER_DATABASE_URL" not in environment
        reached = {name: set(stack.services.environment(name)) for name in Processes(trainers=2).names}
    assert "PALIO_DATABASE_URL" not in reached["trainer-1"] | reached["portal"]
    assert not {"PALIO_AMQP_URL", "PALIO_S3_SECRET_KEY"} & reached["portal"]


def _assert_filer_refuses_strangers(stack: Stack) -> None:
    """Its identities guard only the S3 port: without JWT keys the filer handed out everything."""
    url = f"http://127.0.0.1:{stack.seaweedfs._ports.filer}/buckets/{Bucket.KITS}/{content_key(DIGEST)}"
    for request in (urllib.request.Request(url), urllib.request.Request(url, data=b"x", method="PUT")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 401
        refused.value.close()


def _assert_all_listen_on_loopback(processes: set[int]) -> None:
    found = {
        connection.laddr.ip
        for pid in processes
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert found <= {"127.0.0.1", "::1"}
    assert found
