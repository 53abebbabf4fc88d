"""From the previous release to this one: its ledger is read by today's code, and today's tables serve its code."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.leaderboard.boards import Board, rank
from services.leaderboard.challenges import find_challenge
from services.leaderboard.submissions import find_submission, submissions_on_boards
from shared.events import EVENT_TYPES
from shared.ledger import Projection, head_position
from shared.ledger.chain import snapshot, verify
from shared.ledger.read_model import read_models
from shared.ledger.rebuild import compare, rebuild
from shared.migrations.roles import SERVICES
from shared.migrations.upgrade import upgrade_database
from shared.settings import StoreSettings
from shared.telemetry import Readiness
from tests.support.databases import empty_database
from tests.support.previous_release import COMMIT, FOLDER, NoHistoryError, history_of_then, migrate_as_then, source_tree
from tests.support.servers import Servers

FIXTURE = FOLDER / f"ledger-{COMMIT[:7]}.jsonl.gz"
INSERT = text(
    "INSERT INTO ledger.events VALUES (:position, CAST(:id AS uuid), :stream, :version, :type, :schema_version, :data, :metadata,"
    " CAST(:recorded_at AS timestamptz), decode(:salt, 'hex'), decode(:hash, 'hex'))"
)
HEAD = text(
    "UPDATE ledger.head SET position = e.position, hash = e.hash, recorded_at = e.recorded_at"
    " FROM (SELECT * FROM ledger.events ORDER BY position DESC LIMIT 1) AS e"
)


def unseen(_position: int, _goal: int) -> None:
    """Nobody watches."""


def board_of(engine: Engine, challenge: str) -> list[list[Any]]:
    with engine.connect() as connection:
        problem = find_challenge(connection, challenge).problem
        rows = rank(submissions_on_boards(connection, challenge), problem.metrics, Board.PUBLIC, problem.score_kind)
    return [[row.rank, str(row.submission.team_id), row.submission.name, row.scores] for row in rows]


def states_of(engine: Engine, told: dict[str, Any]) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        found = [find_submission(connection, submission_id) for submission_id in told["states"]]
    return {str(each.submission_id): [each.state, each.outcome] for each in found if each is not None}


@pytest.fixture
def told(owner: Engine) -> dict[str, Any]:
    """What that release's leaderboard said; its ledger is in this test's database, row for row."""
    first, *rows = (json.loads(line) for line in gzip.decompress(FIXTURE.read_bytes()).splitlines())
    with owner.begin() as connection:
        connection.execute(INSERT, rows)
        connection.execute(HEAD)
    return dict(first)


def test_the_previous_releases_ledger_is_sound_and_holds_every_type_that_it_could_write(
    told: dict[str, Any], owner: Engine
) -> None:
    assert told["release"] == COMMIT
    with snapshot(owner) as connection:
        assert verify(connection, unseen).position > 50
        types = set(connection.execute(text("SELECT DISTINCT type FROM ledger.events")).scalars())
    assert types <= set(EVENT_TYPES), "a type that was ever recorded stays known"
    assert len(types) == 20


def test_its_ledger_becomes_todays_read_models_with_the_board_of_then(
    told: dict[str, Any], owner: Engine, engine_of: Callable[[str], Engine]
) -> None:
    for name, model in read_models().items():
        if model.follows:
            Projection(name, engine_of(name), model.handlers, Readiness()).catch_up()
        else:
            # Its rows come with the appends themselves: they are made from the ledger.
            rebuild(owner, model, unseen)
        assert compare(owner, model, unseen).differences == []
    leaderboard = engine_of("leaderboard")
    assert [row[3]["acc"] for row in told["board"]] == [0.875, 0.75, 0.5, 0.5, None]
    assert board_of(leaderboard, told["challenge"]) == told["board"]
    assert states_of(leaderboard, told) == told["states"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    try:
        return source_tree(tmp_path)
    except NoHistoryError as error:
        pytest.skip(f"needs a clone with the previous release in its history: {error}")


@pytest.fixture
def store(store_settings: Callable[[str], StoreSettings]) -> dict[str, str]:
    """How that release's code reaches the object store."""
    settings = store_settings("ingest")
    return {**settings.model_dump(mode="json"), "s3_secret_key": settings.s3_secret_key.get_secret_value()}


def test_the_previous_releases_code_works_on_todays_tables_and_todays_goes_on_from_there(
    tree: Path,
    store: dict[str, str],
    owner: Engine,
    engine_of: Callable[[str], Engine],
    database_url: Callable[[str], str],
) -> None:
    """Register, join, submit, report, score, mail and project, as in the hour between migrating and replacing the last old process."""
    told = history_of_then(tree, {service: database_url(service) for service in SERVICES}, store)
    assert len(told["board"]) == 5
    with snapshot(owner) as connection:
        assert verify(connection, unseen).position == head_position(connection)
    # What only today's code writes is made up for as docs/operations.md says of an upgrade.
    for model in read_models().values():
        rebuild(owner, model, unseen)
        assert compare(owner, model, unseen).differences == []
    assert board_of(engine_of("leaderboard"), told["challenge"]) == told["board"]
    assert states_of(engine_of("leaderboard"), told) == told["states"]


def test_a_database_that_the_previous_release_made_becomes_todays(
    tree: Path, store: dict[str, str], servers: Servers, make_test_engine: Callable[[str], Engine]
) -> None:
    with empty_database(servers) as name:
        urls = {service: servers.database_url(service, name) for service in SERVICES}
        migrate_as_then(tree, servers.owner_url(name), servers.database_passwords)
        told = history_of_then(tree, urls, store)
        owner = make_test_engine(servers.owner_url(name))
        upgrade_database(owner, servers.database_passwords)
        for model in read_models().values():
            assert compare(owner, model, unseen).differences == []
        leaderboard = make_test_engine(urls["leaderboard"])
        assert board_of(leaderboard, told["challenge"]) == told["board"]
        assert states_of(leaderboard, told) == told["states"]
