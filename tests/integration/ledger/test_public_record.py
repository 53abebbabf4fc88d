"""`palio ledger export`, and what a stranger makes of it with one file and a bare Python."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, make_url, text

from palio.cli import main
from services.ingest.accounts import Account, register
from services.ingest.challenges import NewChallenge, create_challenge, join_challenge
from services.ingest.submissions import NewSubmission, SubmissionDesk
from services.leaderboard.boards import Board, rank
from services.leaderboard.challenges import find_challenge
from services.leaderboard.submissions import submissions_on_boards
from shared.artefacts import Store
from shared.events import EVENT_TYPES, TeamCreated
from shared.final_scores import ScoreKind
from shared.ledger import NewEvent, append, head_position, read_after
from shared.ledger.export import WHOLE
from tests.support.histories import ADMINISTRATOR, CHALLENGE, METADATA, History, Submission

ROOT = Path(__file__).parents[3]
VERIFIER = ROOT / "script/verify-export.py"
#: Not the beginning of a stream of the first one, which a number would be.
OTHER = "elsewhere"
#: Every Python that a stranger may have, of those that are here.
PYTHONS = [sys.executable, *(found for minor in range(8, 15) if (found := shutil.which(f"python3.{minor}")))]
Run = Callable[..., Result]


@pytest.fixture
def export(owner: Engine, owner_database_url: str) -> Run:
    """The command, on a database whose clock is a year ahead: every challenge has closed."""
    with owner.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA later")
        connection.exec_driver_sql(
            "CREATE FUNCTION later.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
            " AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 year' $$"
        )
    place = make_url(owner_database_url).update_query_dict({"options": "-csearch_path=later,pg_catalog"})
    url = place.render_as_string(hide_password=False)
    return lambda *words: CliRunner().invoke(main, ["ledger", "export", *words], env={"PALIO_OWNER_DATABASE_URL": url})


@dataclass
class Story:
    """Two challenges: one with everything that can happen, and another one."""

    history: History
    engine_of: Callable[[str], Engine]
    store: Store

    def tell(self) -> None:
        people = [self.history.person() for _ in range(3)]
        for account, values in zip(people, [(0.5, 0.75), (0.5, None), (0.25,)], strict=True):
            for value in values:
                self.trained(account)
                self.history.score(self.history.submissions[-1], value)
        pair = self.team_of_two(people[:2])
        self.trained(pair)
        self.history.score(self.history.submissions[-1], 0.875)
        self.trained(people[0])
        self.history.fail_to_score(self.history.submissions[-1])
        failed = self.requested(people[1])
        self.history.report(self.history.failed_report(failed))
        withdrawn = self.requested(people[2])
        self.history.withdraw(withdrawn)
        self.history.credit(self.history.submissions[1], (self.history.submissions[0], 40))
        self.other_challenge(people[0])
        self.history.catch_up()

    def requested(self, account: Account) -> Submission:
        self.history.submit(account)
        self.history.release()
        return self.history.submissions[-1]

    def trained(self, account: Account) -> None:
        self.history.trained(self.requested(account))

    def team_of_two(self, people: list[Account]) -> Account:
        team = TeamCreated(team_id=uuid4(), name="Oca & Lupa", members=tuple(each.user_id for each in people))
        with self.engine_of("ingest").begin() as connection:
            append(connection, [NewEvent(team, METADATA)])
        join_challenge(self.engine_of("ingest"), CHALLENGE, team.team_id, people[0].user_id)
        return Account(people[0].user_id, "", "", team.team_id)

    def other_challenge(self, account: Account) -> None:
        ingest = self.engine_of("ingest")
        create_challenge(ingest, NewChallenge(id=OTHER, title="Another", problem=CHALLENGE), ADMINISTRATOR, ["default"])
        stranger = register(ingest, "stranger", "stranger@example.org", "a password").account
        for each in (account, stranger):
            join_challenge(ingest, OTHER, each.team_id, each.user_id)
            new = NewSubmission(OTHER, "elsewhere", {"classifier.py": b"x = 1\n"}, idempotency_key=None)
            SubmissionDesk(ingest, self.store, 1000).submit(new, each.user_id, each.team_id)
        self.stranger = stranger


@pytest.fixture
def score_kind() -> ScoreKind:
    return "bag"


@pytest.fixture
def story(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], score_kind: ScoreKind) -> Story:
    told = Story(History(engine_of, store_of("ingest"), score_kind), engine_of, store_of("ingest"))
    told.tell()
    return told


@pytest.fixture
def record(export: Run, story: Story, tmp_path: Path) -> Path:
    path = tmp_path / "history.jsonl"
    found = export("--public", CHALLENGE, "-o", str(path))
    assert found.exit_code == 0, found.output
    return path


def head_of(record: Path) -> str:
    with record.open() as lines:
        return str(json.loads(next(lines))["hash"])


def verified(record: Path, known: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-I", "-S", VERIFIER, record, known], capture_output=True, text=True, timeout=60, check=False)


def board_of(engine: Engine) -> list[list[str]]:
    """The public board as the leaderboard ranks it: place, team as a stranger knows it, submission, official metric."""
    with engine.connect() as connection:
        problem = find_challenge(connection, CHALLENGE).problem
        rows = rank(submissions_on_boards(connection, CHALLENGE), problem.metrics, Board.PUBLIC, problem.score_kind)
    metric = problem.metrics[0]
    return [
        [
            str(row.rank),
            row.submission.team if row.submission.team == "Oca & Lupa" else str(row.submission.team_id),
            row.submission.name,
            "none" if (score := row.scores[metric.name]) is None else f"{score:.{metric.precision}f}",
        ]
        for row in rows
    ]


def shown_board(output: str) -> list[list[str]]:
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("rank\t"))
    return [line.split("\t") for line in lines[start + 1 :]]


@pytest.mark.parametrize("score_kind", ["bag", "mean"])
def test_a_stranger_computes_the_board_that_the_leaderboard_shows(record: Path, engine_of: Callable[[str], Engine]) -> None:
    expected = board_of(engine_of("leaderboard"))
    assert [row[3] for row in expected] == ["0.88", "0.75", "0.50", "0.50", "0.25", "none"]
    found = verified(record, head_of(record))
    assert found.returncode == 0, found.stderr
    assert "PROVED" in found.stdout
    assert shown_board(found.stdout) == expected


def test_after_another_version_of_the_problem_the_board_is_by_that_one(
    story: Story, export: Run, engine_of: Callable[[str], Engine], tmp_path: Path
) -> None:
    history = story.history
    history.publish_next_version()
    scored = history.submissions[:4]
    for number, each in enumerate(scored):
        history.rescored(each, 2, number / 8)
    history.reproduce(scored[0])
    history.adopt(2)
    # One was asked for by the version before and is scored late, one is trained again.
    history.retrain(scored[1])
    history.release(slots=10)
    history.trained(scored[1])
    history.score(scored[1], 0.9375, version=2)
    history.catch_up()
    expected = board_of(engine_of("leaderboard"))
    assert [row[3] for row in expected] == ["0.94", "0.38", "0.25", "0.00"]
    path = tmp_path / "adopted.jsonl"
    assert export("--public", CHALLENGE, "-o", str(path)).exit_code == 0
    found = verified(path, head_of(path))
    assert found.returncode == 0, found.stderr
    assert shown_board(found.stdout) == expected
    assert "a reason" not in path.read_text(), "an organiser's words are nobody else's"


def test_the_command_prints_head_and_counts_and_writes_the_same_to_standard_output(
    export: Run, record: Path, owner: Engine
) -> None:
    found = export("--public", CHALLENGE)
    assert found.stdout == record.read_text()
    with owner.connect() as connection:
        position, hash_ = connection.execute(text("SELECT position, encode(hash, 'hex') FROM ledger.head")).one()
    assert f"The ledger ends at position {position} with the hash {hash_}" in found.stderr
    assert json.loads(found.stdout.splitlines()[0]) == {
        "format": "palio ledger export 1",
        "challenge": CHALLENGE,
        "position": position,
        "hash": hash_,
    }
    assert len(found.stdout.splitlines()) == position + 1


def test_it_holds_the_challenge_and_nothing_personal_or_of_another_one(record: Path, story: Story, owner: Engine) -> None:
    lines = [json.loads(line) for line in record.read_text().splitlines()[1:]]
    whole = {line["position"]: line for line in lines if "leaf" not in line}
    with owner.connect() as connection:
        recorded = read_after(connection, 0, head_position(connection))
    of_challenge = {each.submission_id for each in story.history.submissions}
    teams = {str(each.account.team_id) for each in story.history.submissions}
    for event in recorded:
        data = json.loads(event.data)
        if "submission_id" in data:
            belongs = UUID(data["submission_id"]) in of_challenge and data.get("outcome") != "train_error"
        elif event.type == "TeamCreated":
            belongs = data["team_id"] in teams
        elif event.type in {"ProblemPublished", "ProblemPrepared"}:
            belongs = True
        else:
            belongs = data.get("challenge_id") == CHALLENGE
        assert (event.position in whole) == belongs, event
    content = record.read_text()
    for secret in (OTHER, "elsewhere", str(story.stranger.team_id), "a\\u2028b", *(each.name for each in story.history.accounts)):
        assert secret not in content


def test_every_byte_that_is_changed_is_noticed(record: Path) -> None:
    known, content = head_of(record), record.read_bytes()
    lines = content.splitlines(keepends=True)
    starts = [sum(len(line) for line in lines[:number]) for number in range(len(lines))]
    shown = next(number for number, line in enumerate(lines) if b'"ScoreComputed"' in line)
    hidden = next(number for number, line in enumerate(lines) if b'"leaf"' in line)
    # The whole first line, and every part of an event and of a leaf: names, values, and what stands between them.
    places = [
        *range(0, len(lines[0]), 13),
        *(starts[shown] + place for place in range(0, len(lines[shown]), 31)),
        *(starts[hidden] + place for place in range(0, len(lines[hidden]), 13)),
        len(content) - 1,
    ]
    changed = record.with_name("changed.jsonl")
    for place in places:
        for bit in (0x01, 0x20) if place % 2 else (0x01,):
            changed.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
            found = verified(changed, known)
            assert found.returncode == 1, (place, bit, found.stdout)
            assert "rank\t" not in found.stdout


def test_a_line_left_out_or_moved_or_added_is_noticed(record: Path) -> None:
    known, lines = head_of(record), record.read_text().splitlines(keepends=True)
    changed = record.with_name("changed.jsonl")
    middle = len(lines) // 2
    for wrong in (
        [*lines[:middle], *lines[middle + 1 :]],
        lines[:-1],
        lines[1:],
        [*lines[:middle], lines[middle + 1], lines[middle], *lines[middle + 2 :]],
        [*lines, lines[-1]],
        lines[:1],
        [],
    ):
        changed.write_text("".join(wrong))
        found = verified(changed, known)
        assert found.returncode == 1
        assert found.stderr.startswith("NOT PROVED: "), found.stderr


def test_another_hash_than_the_one_that_was_mailed_is_noticed(record: Path) -> None:
    known = head_of(record)
    for wrong in ("0" * 64, known[:-1] + ("0" if known[-1] != "0" else "1"), known[:-1], "", "x"):
        found = verified(record, wrong)
        assert found.returncode == 1
        assert "this is not the ledger of then" in found.stderr
    assert verified(record, known.upper()).returncode == 0


def test_a_hash_of_an_earlier_position_proves_what_was_there_then(record: Path, owner: Engine) -> None:
    with owner.connect() as connection:
        statement = text(
            "SELECT position, encode(hash, 'hex') FROM ledger.events WHERE type = 'ScoreComputed' ORDER BY 1 LIMIT 1"
        )
        position, early = connection.execute(statement).one()
    found = verified(record, early)
    assert found.returncode == 0
    assert f"PROVED: nothing up to position {position} of" in found.stdout
    whole = [line for line in record.read_text().splitlines()[1:] if '"leaf"' not in line]
    later = sum(json.loads(line)["position"] > position for line in whole)
    assert f": {later} of the {len(whole)} events shown" in found.stdout


def test_any_python_from_38_on_will_do(record: Path) -> None:
    outputs = set()
    for python in PYTHONS:
        if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
            continue  # a shim of one that is not installed
        found = verified(record, head_of(record), python)
        assert (found.returncode, found.stderr) == (0, ""), python
        outputs.add(found.stdout)
    assert len(outputs) == 1
    assert len(VERIFIER.read_text().splitlines()) < 100


def test_before_the_challenge_closes_by_the_databases_clock_there_is_no_record(
    story: Story, owner_database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "early.jsonl"
    environment = {"PALIO_OWNER_DATABASE_URL": owner_database_url}
    found = CliRunner().invoke(main, ["ledger", "export", "--public", CHALLENGE, "-o", str(path)], env=environment)
    assert found.exit_code == 1
    assert "A history closes at" in found.stderr
    assert "holds the test scores" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_exported_is_said_in_words(export: Run, story: Story, owner: Engine, tmp_path: Path) -> None:
    unknown = export("--public", "chess")
    assert unknown.exit_code == 1
    assert f"knows no challenge chess. It knows: {OTHER}, {CHALLENGE}" in unknown.stderr
    with owner.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger.events SET data = '{}' WHERE position = 7")
    broken = export("--public", CHALLENGE, "-o", str(tmp_path / "broken.jsonl"))
    assert broken.exit_code == 1
    assert "broken from position 7 on" in broken.stderr
    assert list(tmp_path.iterdir()) == [], "a file is there whole or not at all"


def test_a_later_releases_event_is_not_shown_by_one_that_does_not_know_what_it_says(
    export: Run, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as future:
        future.setattr(EVENT_TYPES["JoinApproved"], "schema_version", 2)
        story.history.person()
    found = export("--public", CHALLENGE)
    assert found.exit_code == 1
    assert "recorded by a later release" in found.stderr


def test_somebody_decided_for_every_type_of_event_whether_strangers_may_see_it() -> None:
    assert set(WHOLE) == set(EVENT_TYPES), "say in shared/ledger/export.py whether the new type is whole"
