"""The parts that put a platform together, one at a time."""

import json
import os
import shlex
import stat
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.access import SETUP_KEY, grants, minio_policy, seaweedfs_identities
from deploy.local import ports as ports_module
from deploy.local.credentials import Credentials, write_private
from deploy.local.folder import StackFolder
from deploy.local.operator import shell_file
from deploy.local.ports import NoFreePortsError, PortBlock, is_free
from deploy.local.processes import end_all, marked_processes
from deploy.local.program import MARK
from deploy.local.trouble import TroubleError
from shared.artefacts import Bucket

POOL_NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), min_size=1, max_size=4, unique=True)


def test_two_blocks_of_ports_never_overlap_while_both_are_held() -> None:
    with PortBlock() as first, PortBlock() as second:
        taken = [{block.take() for _ in range(ports_module.BLOCK_SIZE)} for block in (first, second)]
    assert not taken[0] & taken[1]
    assert all(is_free(port) for port in taken[0] | taken[1])


def test_a_block_that_is_used_up_says_so() -> None:
    with PortBlock() as block:
        for _ in range(ports_module.BLOCK_SIZE):
            block.take()
        with pytest.raises(NoFreePortsError, match="fewer trainers"):
            block.take()


def test_a_block_of_a_process_that_was_killed_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with PortBlock() as block:
        base = block.take()
    monkeypatch.setattr(ports_module, "_BASES", range(base, base + 1))
    holder = (
        "import time; from deploy.local import ports\n"
        f"ports._BASES = range({base}, {base + 1})\n"
        "block = ports.PortBlock(); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(NoFreePortsError):
            PortBlock()
        process.kill()
        process.wait()
    PortBlock().close()


def test_a_secret_stays_the_same_after_a_restart_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = Credentials(tmp_path / "secrets").secret("person", "ada")
    again = Credentials(tmp_path / "secrets")
    assert again.secret("person", "ada") == first
    assert again.secret("person", "bob") != first
    assert Credentials(tmp_path / "secrets").secret("person", "ada") == first
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets" / "credentials.json").stat().st_mode) == 0o600


def test_a_new_pool_gets_a_secret_and_the_others_keep_theirs(tmp_path: Path) -> None:
    before = Credentials(tmp_path).broker(("default",))
    after = Credentials(tmp_path).broker(("default", "gpu"))
    assert before.items() <= after.items()
    assert set(after) - set(before) == {"trainer-gpu"}
    assert len(set(after.values())) == len(after)


def test_a_private_file_is_private_from_its_first_byte_even_where_another_stood(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)


def test_a_folder_has_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = StackFolder(tmp_path / "folder"), StackFolder(tmp_path / "folder")
    first.take()
    with pytest.raises(TroubleError, match=f"process {os.getpid()}"):
        second.take()
    first.release()
    second.take()
    second.release()


@pytest.mark.parametrize("name", ["plain", "with a space", "percent % sign; and # more", "l" * 90])
def test_sockets_have_short_plain_paths_wherever_the_folder_is(tmp_path: Path, name: str) -> None:
    folder = StackFolder(tmp_path / name)
    folder.take()
    sockets = folder.sockets()
    assert len(str(sockets / ".s.PGSQL.5432.lock")) <= 107
    assert not set(str(sockets)) & set(" %;#")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    folder.release()
    assert sockets.exists() == sockets.is_relative_to(folder.path)


def test_a_socket_folder_that_somebody_else_opened_to_all_is_refused(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "a folder")
    sockets = folder.sockets()
    sockets.chmod(0o777)
    try:
        with pytest.raises(TroubleError, match="open to others"):
            folder.sockets()
    finally:
        sockets.rmdir()


def test_only_marked_processes_are_ended_also_those_that_ignore_being_asked() -> None:
    mark = uuid4().hex
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", stubborn]
    with (
        subprocess.Popen(command, env={MARK: mark}, stdout=subprocess.PIPE) as marked,
        subprocess.Popen(command, env={MARK: mark + "0"}, stdout=subprocess.PIPE) as other,
    ):
        assert marked.stdout is not None
        assert other.stdout is not None
        marked.stdout.readline()
        other.stdout.readline()
        assert end_all(mark, grace_s=0.2) == 1
        assert marked.wait(5) == -9
        assert other.poll() is None
        other.kill()
    assert marked_processes(mark) == []


def test_a_launched_program_gets_exactly_its_own_environment_and_folder(tmp_path: Path) -> None:
    report = "import json, os; print(json.dumps([dict(os.environ), os.getcwd()]))"
    folder = tmp_path / "a folder; # 100%"
    folder.mkdir()
    specification = {
        "command": [sys.executable, "-IS", "-c", report],
        "environment": {"ODD": "a 'quote' \"and\" %(here)s ; # \n"},
        "directory": str(folder),
        "parent_death_signal": "SIGKILL",
    }
    path = tmp_path / "specification.json"
    path.write_text(json.dumps(specification))
    launcher = Path(ports_module.__file__).with_name("launch.py")
    done = subprocess.run(
        [sys.executable, "-IS", launcher, path], env={"SECRET": "of another"}, capture_output=True, text=True, check=True
    )
    environment, directory = json.loads(done.stdout)
    environment.pop("LC_CTYPE", None)  # which Python sets for itself
    assert (environment, directory) == (specification["environment"], str(folder))


def test_a_launched_program_dies_with_whoever_launched_it(tmp_path: Path) -> None:
    specification = {
        "command": ["sleep", "60"],
        "environment": {"PATH": os.environ["PATH"], MARK: (mark := uuid4().hex)},
        "directory": str(tmp_path),
        "parent_death_signal": "SIGTERM",
    }
    path = tmp_path / "specification.json"
    path.write_text(json.dumps(specification))
    launcher = Path(ports_module.__file__).with_name("launch.py")
    parent = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-IS', {str(launcher)!r}, {str(path)!r}]); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        assert _becomes_true(lambda: _count(mark) == 1)
        process.kill()
    assert _becomes_true(lambda: _count(mark) == 0)


@settings(max_examples=30)
@given(POOL_NAMES)
def test_nobody_but_the_scorer_reads_labels_and_a_pool_writes_only_below_its_own_name(pools: list[str]) -> None:
    table = grants(pools)
    assert [name for name, grant in table.items() if Bucket.PRIVATE in grant.reads] == ["scorer"]
    for pool in pools:
        assert table[f"trainer-{pool}"].writes == (f"runs/{pool}",)
    for identity in seaweedfs_identities(dict.fromkeys([SETUP_KEY, *table], "secret"), pools)["identities"]:
        actions = identity["actions"]
        assert (actions == ["Admin"]) == (identity["name"] == SETUP_KEY)
        assert not any(action.startswith("List") for action in actions)


@settings(max_examples=30)
@given(POOL_NAMES)
def test_both_stores_get_the_same_rights(pools: list[str]) -> None:
    identities = seaweedfs_identities(dict.fromkeys([SETUP_KEY, *grants(pools)], "secret"), pools)["identities"]
    seaweedfs = {each["name"]: set(each["actions"]) for each in identities if each["name"] != SETUP_KEY}
    actions = {"s3:GetObject": "Read", "s3:PutObject": "Write"}
    minio = {
        name: {
            f"{actions[statement['Action'][0]]}:{resource.removeprefix('arn:aws:s3:::')}"
            for statement in minio_policy(grant)["Statement"]
            for resource in statement["Resource"]
        }
        for name, grant in grants(pools).items()
    }
    # SeaweedFS takes a whole bucket without the asterisk.
    whole = {bucket.value for bucket in Bucket}
    assert seaweedfs == {name: {_without_star(action, whole) for action in found} for name, found in minio.items()}


def test_a_shell_reads_from_the_operators_file_just_what_was_written() -> None:
    values = {"PALIO_A": """it's "$HOME" `id` \\ #;&|<>*? {"a": [1]}\nsecond line""", "PALIO_B": "", "PALIO_C": "plain"}
    program = "import json, os; print(json.dumps({name: os.environ[name] for name in ('PALIO_A', 'PALIO_B', 'PALIO_C')}))"
    script = f"set -a; . /dev/stdin; set +a; exec {shlex.quote(sys.executable)} -c {shlex.quote(program)}"
    done = subprocess.run(["sh", "-euc", script], input=shell_file(values), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == values


def _without_star(action: str, whole: set[str]) -> str:
    kind, _, place = action.partition(":")
    bucket = place.removesuffix("/*")
    return f"{kind}:{bucket}" if bucket in whole else action


def _count(mark: str) -> int:
    processes = marked_processes(mark)
    for process in processes:
        os.close(process.descriptor)
    return len(processes)


def _becomes_true(condition: object) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
    return False
