"""A canary planted in the private data is found by no endpoint, and in no object that the trainer's key can read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pandas as pd
import pytest
from minio.error import S3Error
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from deploy.local.stack import Stack
from palio.packing import packed_problem
from shared.artefacts import Bucket
from shared.bus.topology import trainer_user
from tests.support.people import KITS, Person, starter, submit_and_wait, wait_until_prepared
from tests.support.reading import addresses_of, everything_in, minio_of, objects, shown_at

#: A label of the test set, and a value that a kit reads and drops: both only in the private data.
CANARY = "canary-7f3a91c2"
#: The same in the data that participants may have: no secret, but no trainer's business either.
PUBLIC_CANARY = "canary-5be0d418"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The RAMP-style iris with a canary in a column of its private files that only `problem.py` sees, as raw data."""
    folder = tmp_path_factory.mktemp("canary") / "kit"
    shutil.copytree(KITS["ramp_iris"], folder)
    problem = (folder / "problem.py").read_text()
    (folder / "problem.py").write_text(
        problem.replace("y = flowers.pop", "flowers.pop('note') if 'note' in flowers else None\n    y = flowers.pop")
    )
    for path, canary in (("", CANARY), ("public/", PUBLIC_CANARY)):
        for name in ("train.csv", "test.csv"):
            table = pd.read_csv(folder / "data" / path / name)
            table["note"] = canary
            table.to_csv(folder / "data" / path / name, index=False)
    return folder


@pytest.fixture(scope="module")
def challenge(kit: Path, organiser: Person, register: Callable[[str], Person]) -> str:
    """A challenge on that kit, with a scored submission."""
    with packed_problem(kit) as packed:
        organiser.client.publish_problem("canary", packed.kit, packed.private)
    assert wait_until_prepared(organiser.client, "canary")["state"] == "prepared"
    organiser.client.create_challenge("canary", "Canary", "canary")
    person = register("canary-keeper")
    person.client.join("canary")
    assert submit_and_wait(person, "canary", "starter", starter("ramp_iris"))["state"] == "scored"
    return "canary"


def holds_canary(content: bytes, canaries: tuple[str, ...] = (CANARY,)) -> bool:
    return any(canary.encode() in part for part in everything_in(content) for canary in canaries)


def test_the_canary_is_where_it_belongs_so_that_the_search_can_find_it(platform: Stack, challenge: str) -> None:
    found = [name for name, content in objects(minio_of(platform, "operator"), Bucket.PRIVATE) if holds_canary(content)]
    assert found, "the search itself is broken"


def test_no_object_that_the_trainers_key_can_read_holds_the_canary(platform: Stack, challenge: str) -> None:
    # With the administrator's key all names are listed, so that a key which may read but not list hides nothing.
    everything, trainer = minio_of(platform, "operator"), minio_of(platform, trainer_user("default"))
    readable = 0
    for bucket in Bucket:
        for found in everything.list_objects(bucket, recursive=True):
            try:
                content = trainer.get_object(bucket, str(found.object_name)).read()
            except S3Error as error:
                if error.code != "AccessDenied":
                    raise
                continue
            readable += 1
            assert not holds_canary(content, (CANARY, PUBLIC_CANARY)), f"{bucket}/{found.object_name}"
    assert readable > 0
    for bucket in (Bucket.PRIVATE, Bucket.KITS):
        with pytest.raises(S3Error, match=r"AccessDenied|Access Denied"):
            list(objects(trainer, bucket))


def test_no_file_on_the_disk_of_the_trainer_holds_the_canary(platform: Stack, challenge: str) -> None:
    folder = platform.path / "cache" / "trainer-1"
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if path.name == "problem.py"], "the kit's code is here, so its data would be"
    for path in files:
        assert not holds_canary(path.read_bytes(), (CANARY, PUBLIC_CANARY)), path
    assert not [path for path in folder.rglob("data") if (path.parent / "problem.py").exists()]


def test_no_endpoint_shows_the_canary_to_anybody(
    platform: Stack, challenge: str, organiser: Person, register: Callable[[str], Person]
) -> None:
    participant = register("canary-seeker")
    participant.client.join(challenge)
    submissions = [row["submission_id"] for row in participant.client.board(challenge)["rows"]]
    values = {"challenge_id": [challenge], "problem_id": [challenge], "submission_id": submissions}
    asked = 0
    with httpx.Client(base_url=platform.origin, timeout=30) as client:
        for person in (None, participant, organiser):
            for url in addresses_of(client, values):
                response = shown_at(client, url, person.token if person else None)
                asked += 1
                assert CANARY.encode() not in response, url
                assert not holds_canary(response), url
    assert asked > 30


def test_no_event_on_the_ledger_and_no_log_of_a_service_holds_the_canary(platform: Stack, challenge: str) -> None:
    for log in platform.log_folder.iterdir():
        assert CANARY.encode() not in log.read_bytes(), log.name
    owner = create_engine(platform.postgres.owner_url(), poolclass=NullPool)
    with owner.connect() as connection:
        statement = text("SELECT count(*) FROM ledger.events WHERE data LIKE :canary OR metadata LIKE :canary")
        assert connection.execute(statement, {"canary": f"%{CANARY}%"}).scalar_one() == 0


def test_no_test_score_is_in_what_participants_read(platform: Stack, challenge: str, organiser: Person) -> None:
    (row,) = organiser.client.board(challenge, "private")["rows"]
    scores = organiser.client.submission(row["submission_id"])["scores"]
    splits = [split for fold in scores["folds"] for split in fold["scores"].values()]
    # A test score may happen to equal a score that is shown: only what is nowhere else tells.
    shown = {value for split in splits for value in (split["train"], split["valid"])} | {
        each["valid"] for each in scores["bagged"].values()
    }
    secret = (
        {split["test"] for split in splits}
        | {each["test"] for each in scores["bagged"].values()}
        | set(row["test_scores"].values())
    )
    test_scores = {repr(value) for value in secret - shown if len(repr(value)) > 8}
    assert test_scores, "numbers long enough to be told apart"
    for path in (f"challenges/{challenge}/leaderboards/public", f"challenges/{challenge}", f"submissions/{row['submission_id']}"):
        page = httpx.get(f"{platform.origin}/v1/{path}").text
        assert [score for score in test_scores if score in page] == [], path
