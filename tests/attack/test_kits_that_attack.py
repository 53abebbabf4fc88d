"""Every attack in `kits/`, by a real scorer: an organiser's code is a stranger's, too, and what it is given is its own data."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from shared.artefacts import Bucket
from shared.artefacts.archives import pack_files
from tests.attack.arena import LIMITS, STARTER, Arena, left_on_this_machine
from tests.attack.attacks import FOLDER, KIT_ATTACKS, SUCCESS, KitAttack
from tests.attack.planted import Planted, as_csv, rows
from tests.support.people import Person, files_of, publish, submit_and_wait, wait_until_prepared
from tests.support.reading import minio_of, objects

#: Goes into the private archive: participants get neither the data nor how they came about.
PRIVATE = ("prepare_data.py",)
#: Rows of other numbers than those of the problem whose secrets are looked for.
N_TRAIN, N_TEST = 20, 12
PREPARATION_LIMIT_S = 120


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """A server of the attacker's on this machine, to which nobody must connect."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def published(
    scorer: str, platform: Stack, organiser: Person, listener: socket.socket, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Every kit that attacks, published to this scorer: its problem's id by its name."""
    ports = {
        "{PORT}": listener.getsockname()[1],
        "{S3_PORT}": platform.seaweedfs._ports.s3,
        "{AMQP_PORT}": platform.rabbitmq._ports.amqp,
    }
    problems = {}
    for attack in KIT_ATTACKS:
        problems[attack.name] = f"{attack.name}-{scorer}".replace("_", "-")[-60:].lstrip("-")
        kit, private = archives(attack, ports, tmp_path_factory.mktemp("kit"))
        settings = {"label_free_folders": [attack.shown]} if attack.shown else {}
        organiser.client.publish_problem(problems[attack.name], kit, private, settings)
    return problems


def archives(attack: KitAttack, ports: dict[str, int], folder: Path) -> tuple[Path, Path]:
    """The kit with the attack's files, and its private data, packed by hand: the SDK would not pack all of it."""
    files = {name: content.decode() for name, content in attack.files.items() if name != "submission.py"}
    for name, port in ports.items():
        files = {file: text.replace(name, str(port)) for file, text in files.items()}
    problem = (FOLDER / "kit/problem.py").read_text() + "\n\n" + files.pop("more.py", "")
    private = {name: files.pop(name).encode() for name in PRIVATE if name in files}
    if "environment.yml" not in files:
        files.setdefault("requirements.txt", "numpy\n")
    starter = files_of(STARTER)["regressor.py"]
    kit = {"problem.py": problem.encode(), "submissions/starting_kit/regressor.py": starter}
    kit |= {name: text.encode() for name, text in files.items()}
    data = {
        "train.csv": as_csv(rows(N_TRAIN), "its own"),
        "test.csv": as_csv(rows(N_TEST), "its own"),
        "shown/picture.txt": b"a picture",
    }
    private |= {f"data/{name}": content for name, content in data.items()}
    (folder / "kit.tar").write_bytes(pack_files(kit))
    (folder / "private.tar").write_bytes(pack_files(private))
    return folder / "kit.tar", folder / "private.tar"


@pytest.mark.parametrize("attack", KIT_ATTACKS, ids=str)
def test_a_kit_that_attacks_ends_as_it_says_and_learns_nothing(
    attack: KitAttack,
    published: dict[str, str],
    listener: socket.socket,
    organiser: Person,
    planted: Planted,
) -> None:
    found = wait_until_prepared(organiser.client, published[attack.name], PREPARATION_LIMIT_S)
    assert (found.get("outcome") or found["state"]) == attack.outcome, found
    words = f"{found.get('reason')}\n{found.get('detail')}"
    if attack.submission is None:
        for said in attack.says:
            assert said in words
    assert SUCCESS.decode() not in words
    assert planted.found_in(words.encode(), None) == []
    assert "root:x:0:0" not in words
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.fixture(scope="session")
def victim(register: Callable[[str], Person]) -> Person:
    """A participant who submits in good faith, or in bad, to kits that attack."""
    return register("victim")


@pytest.mark.parametrize("attack", [attack for attack in KIT_ATTACKS if attack.submission], ids=str)
def test_what_is_submitted_to_a_kit_that_attacks_ends_as_it_says_and_the_team_learns_nothing(
    attack: KitAttack, published: dict[str, str], platform: Stack, organiser: Person, victim: Person, planted: Planted
) -> None:
    problem = published[attack.name]
    assert wait_until_prepared(organiser.client, problem, PREPARATION_LIMIT_S)["state"] == "prepared"
    organiser.client.create_challenge(problem, "A challenge in good faith", problem, {"limits": LIMITS})
    victim.client.join(problem)
    files = {"regressor.py": attack.files.get("submission.py", files_of(STARTER)["regressor.py"])}
    submission = submit_and_wait(victim, problem, "in good faith", files)
    state = "scored" if attack.submission == "trained" else "failed"
    assert (submission["outcome"], submission["state"]) == (attack.submission, state), submission
    shown = json.dumps(submission).encode() + victim.client.log(str(submission["id"])).encode()
    labels = [repr(label)[:12].encode() for *_, label in (*rows(N_TRAIN), *rows(N_TEST))]
    assert [label for label in labels if label in shown] == []
    assert SUCCESS not in shown
    details = [content for _, content in objects(minio_of(platform, "operator"), Bucket.PRIVATE, "details/")]
    for said in attack.says:
        assert any(said.encode() in content for content in details)
        assert said.encode() not in shown
    for content in details:
        assert SUCCESS not in content
        assert planted.found_in(content, None) == []
    for log in platform.log_folder.iterdir():
        assert [label for label in labels if label in log.read_bytes()] == [], log.name


def test_nothing_that_the_kits_started_or_had_run_is_left_on_this_machine(published: dict[str, str], organiser: Person) -> None:
    for problem in published.values():
        wait_until_prepared(organiser.client, problem, PREPARATION_LIMIT_S)
    assert left_on_this_machine() == []


def test_the_next_problem_is_prepared_and_scored_as_before(
    scorer: str, published: dict[str, str], arena: Arena, organiser: Person, attacked_kit: Path
) -> None:
    for problem in published.values():
        wait_until_prepared(organiser.client, problem, PREPARATION_LIMIT_S)
    assert publish(organiser.client, f"attacked-again-{scorer}", attacked_kit)["state"] == "prepared"
    for pool in arena.pools:
        challenge = f"attacked-again-{scorer}-{pool}"
        organiser.client.create_challenge(
            challenge, "Attacked again", f"attacked-again-{scorer}", {"pool": pool, "limits": LIMITS}
        )
        arena.neighbour.client.join(challenge)
        assert arena.scores_of(arena.submit_starter(pool, "again", challenge)) == arena.before[pool]
