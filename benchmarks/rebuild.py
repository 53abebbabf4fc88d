"""How long a read model takes to be made anew from a large ledger, and how much memory that needs.

The ledger holds whole histories of submissions: uploaded, requested, begun, eight folds, finished, scored, mailed. Memory is the
peak of this process, beyond what it held before.

Examples:
  .venv/bin/python -m benchmarks.rebuild
  .venv/bin/python -m benchmarks.rebuild --events 100000 --models leaderboard --json

"""

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, create_engine, text

from benchmarks.figures import Arguments, Figures, say
from deploy.local.stack import Stack
from shared.events import EVENT_TYPES, Event
from shared.ledger.append import APPEND
from shared.ledger.chain import snapshot, verify
from shared.ledger.read_model import read_models
from shared.ledger.rebuild import rebuild
from tests.support.goldens import golden

N_TEAMS = 100
N_FOLDS = 8
#: Submissions under way side by side.
N_AT_ONCE = 32
BATCH = 2_000
MEBIBYTE = 2**20

Row = dict[str, Any]


def histories(n_events: int) -> Iterator[Row]:
    """So many events and a few: what came before, then submissions, many under way at a time."""
    teams = [(uuid4(), uuid4()) for _ in range(N_TEAMS)]
    for user, team in teams:
        yield golden_row("UserRegistered", user_id=user)
        yield golden_row("TeamCreated", team_id=team, members=[user])
    yield golden_row("ProblemPublished", problem_id="large", version=1)
    yield golden_row("ProblemPrepared", problem_id="large", version=1, n_folds=N_FOLDS)
    yield golden_row("ChallengeCreated", challenge_id="large", problem_id="large", problem_version=1)
    for _, team in teams:
        yield golden_row("JoinApproved", challenge_id="large", team_id=team)
    per_submission = 6 + N_FOLDS
    for first in range(0, n_events // per_submission, N_AT_ONCE):
        side_by_side = [_submission(number, *teams[number % N_TEAMS]) for number in range(first, first + N_AT_ONCE)]
        yield from chain.from_iterable(zip(*side_by_side, strict=True))


def _submission(number: int, user: UUID, team: UUID) -> Iterator[Row]:
    submission, run = uuid4(), uuid4()
    about = {"submission_id": submission, "run_id": run}
    of_challenge = {"challenge_id": "large"}
    yield golden_row(
        "SubmissionUploaded", submission_id=submission, team_id=team, user_id=user, name=f"number {number}", **of_challenge
    )
    yield golden_row("TrainingRequested", **about, **of_challenge, attempt=1, n_folds=N_FOLDS)
    yield golden_row("TrainingStarted", **about, attempt=1, fold=None)
    for fold in range(N_FOLDS):
        yield golden_row("FoldTrained", **about, attempt=1, fold=fold)
    yield golden_row("TrainingFinished", **about, attempt=1, outcome="trained")
    yield golden_row("ScoreComputed", **about, **of_challenge, problem_version=1)
    yield golden_row("MailSent", mail_id=uuid4(), user_id=user)


#: By type: the golden event's data, and the type itself.
_GOLDENS: dict[str, tuple[dict[str, Any], type[Event]]] = {}


def golden_row(name: str, /, **changes: object) -> Row:
    """The golden event of a type with these changes, to be appended."""
    if name not in _GOLDENS:
        _GOLDENS[name] = json.loads(golden(name).model_dump_json()), EVENT_TYPES[name]
    data, event_type = _GOLDENS[name]
    data = {**data, **changes}
    return {"type": name, "data": json.dumps(data, default=_text), "stream": event_type.model_construct(**data).stream}


def _text(value: object) -> object:
    return [str(each) for each in value] if isinstance(value, list) else str(value)


def fill(owner: Engine, n_events: int) -> int:
    """Append histories; returns the number of events."""
    return append_rows(owner, histories(n_events))


def append_rows(owner: Engine, events: Iterator[Row]) -> int:
    """Append events, many a transaction; returns how many."""
    with owner.begin() as connection:
        statement = "INSERT INTO ledger.appenders SELECT DISTINCT session_user, type FROM ledger.appenders ON CONFLICT DO NOTHING"
        connection.execute(text(statement))
    count = 0
    while rows := list(islice(events, BATCH)):
        with owner.begin() as connection:
            connection.execute(
                APPEND,
                {
                    "ids": [str(uuid4()) for _ in rows],
                    "streams": [row["stream"] for row in rows],
                    "expected_versions": [None for _ in rows],
                    "types": [row["type"] for row in rows],
                    "schema_versions": [EVENT_TYPES[row["type"]].schema_version for row in rows],
                    "data": [row["data"] for row in rows],
                    "metadata": ['{"correlation_id": "benchmark"}' for _ in rows],
                },
            )
        count += len(rows)
    return count


def peak_bytes() -> int:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of some work, and by how many MB this process's peak grew."""
    before, started = peak_bytes(), time.perf_counter()
    work()
    return time.perf_counter() - started, (peak_bytes() - before) / MEBIBYTE


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="about so many [1000000]")
    parser.add_argument(
        "--models", nargs="+", default=["leaderboard", "orchestrator", "mailer"], help="read models [all that follow]"
    )
    options = parser.parse_args()
    figures = Figures("made anew", ("what", "events", "seconds", "events per second", "memory, MB"))
    with tempfile.TemporaryDirectory(prefix="palio-benchmark-") as folder, Stack(Path(folder) / "stack") as stack:
        stack.start_servers()
        stack.migrate()
        owner = create_engine(stack.postgres.owner_url())
        say(f"appending {options.events:,} events")
        count = fill(owner, options.events)
        for name in options.models:
            say(f"making {name} anew")
            seconds, grown = measured(lambda: rebuild(owner, read_models()[name], lambda _position, _goal: None))
            figures.add(name, count, seconds, count / seconds, grown)
        say("verifying")
        with snapshot(owner) as connection:
            seconds, grown = measured(lambda: verify(connection, lambda _position, _goal: None))
        figures.add("verified", count, seconds, count / seconds, grown)
        owner.dispose()
    figures.print(as_json=options.json)


if __name__ == "__main__":
    main()
