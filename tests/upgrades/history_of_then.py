"""A history by the functions of the previous release: run in a process of its own, with that release's source tree on the path.

Reads where the servers are from standard input, writes what that release's own leaderboard says in the end. Everything here speaks that
release's interfaces, and moves on with it. Every type of event that it can write is written.
"""

import io
import json
import secrets
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pydantic import SecretStr

import shared
from services.ingest.accounts import Account, appoint_administrator, register
from services.ingest.challenges import NewChallenge, create_challenge, join_challenge
from services.ingest.problems import ProblemUpload, publish_problem
from services.ingest.submissions import NewSubmission, SubmissionDesk
from services.ingest.withdrawals import withdraw
from services.leaderboard.boards import Board, rank
from services.leaderboard.challenges import find_challenge
from services.leaderboard.projection import HANDLERS as LEADERBOARD
from services.leaderboard.submissions import find_submission, scored_submissions
from services.mailer.outbox import Outbox
from services.mailer.reactions import handlers
from services.orchestrator.jobs import HANDLERS as ORCHESTRATOR
from services.orchestrator.release import release
from services.orchestrator.run import decide
from services.orchestrator.runs import decide_and_append
from shared.artefacts import Store
from shared.artefacts.archives import pack_files
from shared.bus.reports import REPORT
from shared.database import make_engine
from shared.events import EVENT_TYPES, FoldRequested, Metadata, TrainingRequested
from shared.ledger import NewEvent, Projection, append_once, read_after, read_stream
from shared.runs import run_id_of
from shared.settings import DatabaseSettings, StoreSettings
from shared.telemetry import Readiness

CHALLENGE, POOL, N_FOLDS, SLOTS = "then", "default", 3, 20
METADATA = Metadata(correlation_id="then \0 é \U0001f600")
GIVEN = json.load(sys.stdin)
TREE = Path(GIVEN["tree"])
ENGINES = {
    service: make_engine(DatabaseSettings(database_url=SecretStr(url), slow_query_ms=60_000))
    for service, url in GIVEN["databases"].items()
}
STORE = Store(StoreSettings.model_validate(GIVEN["store"]))
HANDLERS = {"orchestrator": ORCHESTRATOR, "leaderboard": LEADERBOARD, "mailer": handlers("example.org")}
USAGE = {"train_time_s": 1, "valid_time_s": 0.25, "test_time_s": 0, "peak_memory_bytes": 1}


def append(service: str, name: str, /, **changes: Any) -> None:
    """A golden event of that release, with changes."""
    newest = EVENT_TYPES[name].schema_version
    golden = json.loads((TREE / f"tests/golden/events/{name}.v{newest}.json").read_text())
    event = EVENT_TYPES[name].model_validate_json(json.dumps({**golden, **changes}))
    append_once(ENGINES[service], [NewEvent(event, METADATA)])


def catch_up() -> None:
    """Every service takes in what happened."""
    for service, of_service in HANDLERS.items():
        Projection(service, ENGINES[service], of_service, Readiness()).catch_up()


def prepare() -> None:
    """A problem that was prepared at the second try, and a challenge on it."""
    kit = pack_files({"problem.py": b"", "submissions/starting_kit/classifier.py": b""})
    for version in (1, 2):
        publish_problem(
            ENGINES["ingest"], STORE, ProblemUpload(CHALLENGE, io.BytesIO(kit), None, None, None, None, ()), UUID(int=1), 2**20
        )
        about = {"problem_id": CHALLENGE, "version": version}
        if version == 1:
            append("scorer", "ProblemPreparationFailed", **about)
        else:
            append("scorer", "ProblemPrepared", **about, n_folds=N_FOLDS, elements=["classifier.py"])
    challenge = NewChallenge(id=CHALLENGE, title="As it was then", problem=CHALLENGE)
    create_challenge(ENGINES["ingest"], challenge, UUID(int=1), [POOL])


def person() -> Account:
    """Somebody registers and joins."""
    name = f"p{secrets.token_hex(6)}"
    account = register(ENGINES["ingest"], name, f"{name}@example.org", "a password").account
    join_challenge(ENGINES["ingest"], CHALLENGE, account.team_id, account.user_id)
    return account


def submitted(account: Account, team_id: UUID | None = None) -> UUID:
    """A submission whose training is requested."""
    new = NewSubmission(CHALLENGE, f"s{secrets.token_hex(6)}", {"classifier.py": b"x = 1\n"}, idempotency_key=str(uuid4()))
    desk = SubmissionDesk(ENGINES["ingest"], STORE, 100_000)
    submission_id = desk.submit(new, account.user_id, team_id or account.team_id).submission_id
    request()
    return submission_id


def request() -> None:
    """Whatever waits has its turn."""
    catch_up()
    release(ENGINES["orchestrator"], POOL, SLOTS)
    catch_up()


def report(submission_id: UUID, kind: str, **more: Any) -> None:
    """A trainer says it of the newest request."""
    run_id = run_id_of(submission_id)
    with ENGINES["orchestrator"].connect() as connection:
        events = [each.event() for each in read_stream(connection, f"run-{run_id}")]
    attempt = max(each.attempt for each in events if isinstance(each, TrainingRequested | FoldRequested))
    about = {"run_id": str(run_id), "submission_id": str(submission_id), "attempt": attempt, "execution_id": str(uuid4())}
    said = REPORT.validate_json(json.dumps({**about, "kind": kind, **more}))
    decide_and_append(ENGINES["orchestrator"], run_id, lambda run: decide(run, said, POOL, 3))


def start(submission_id: UUID, fold: int | None = None) -> None:
    """A trainer begins."""
    conditions = {"seed": 1, "hash_seed": 2, "threads": 1, "python_version": "3.11.7", "platform": "Linux"}
    report(submission_id, "started", trainer="t", shared_fold=fold, conditions=conditions)


def train(submission_id: UUID, *folds: int) -> None:
    """A trainer is done with folds."""
    digests = {"log_digest": "0" * 64, "log_bytes": 10}
    for fold in folds:
        report(submission_id, "fold-trained", fold=fold, predictions_digest=f"{fold:064x}", usage=USAGE, **digests)


def score(submission_id: UUID, value: float | None) -> None:
    """The scorer is done with it."""
    about = {"run_id": str(run_id_of(submission_id)), "submission_id": str(submission_id), "challenge_id": CHALLENGE}
    bagged = [{"metric": "acc", "valid": [0.1, value], "test": [value]}, {"metric": "nll", "valid": [], "test": []}]
    append("scorer", "ScoreComputed", **about, problem_version=2, bagged=bagged)


def send_a_mail() -> None:
    """The mailer sends what is due first."""
    outbox = Outbox(ENGINES["mailer"])
    mail = outbox.take()
    assert mail is not None
    with ENGINES["mailer"].connect() as connection:
        [cause] = read_after(connection, mail.caused_at_position - 1, 1)
    outbox.sent(mail, cause)


def play() -> list[UUID]:
    """Everything that can happen; returns the submissions."""
    prepare()
    people = [person() for _ in range(3)]
    appoint_administrator(ENGINES["ingest"], people[0].name)
    quick, equal, without, slow, stopped, failed, withdrawn = (submitted(people[number % 3]) for number in range(7))
    for submission, value in ((quick, 0.5), (equal, 0.5), (without, None)):
        start(submission)
        train(submission, *range(N_FOLDS))
        score(submission, value)
    start(slow)
    train(slow, 0)
    report(slow, "slow")
    request()
    for fold in range(1, N_FOLDS):
        start(slow, fold)
        train(slow, fold)
    score(slow, 0.75)
    start(stopped)
    report(stopped, "returned", shared_fold=None, reason="stopping", words="")
    request()
    start(stopped)
    train(stopped, *range(N_FOLDS))
    about = {"run_id": str(run_id_of(stopped)), "submission_id": str(stopped), "challenge_id": CHALLENGE}
    append("scorer", "ScoringFailed", **about)
    start(failed)
    digests = {"traceback_digest": "0" * 64, "log_digest": "0" * 64}
    report(failed, "failed", outcome="train_error", reason="a\u2028b", fold=0, **digests)
    start(withdrawn)
    withdraw(ENGINES["ingest"], withdrawn, people[0].user_id, people[0].team_id, is_administrator=False)
    # Of people that ingest does not know: that release has no way to make such a team, though every reader takes it in.
    pair = uuid4()
    append("ingest", "TeamCreated", team_id=str(pair), name="Oca & Lupa", members=[str(uuid4()), str(uuid4())])
    join_challenge(ENGINES["ingest"], CHALLENGE, pair, people[0].user_id)
    together = submitted(people[0], pair)
    start(together)
    train(together, *range(N_FOLDS))
    score(together, 0.875)
    waiting = submitted(people[1])
    catch_up()
    send_a_mail()
    catch_up()
    return [quick, equal, without, slow, stopped, failed, withdrawn, together, waiting]


def main() -> None:
    """Play it, and tell."""
    assert Path(str(shared.__file__)).is_relative_to(TREE), "not that release's code"
    submissions = play()
    with ENGINES["leaderboard"].connect() as connection:
        problem = find_challenge(connection, CHALLENGE).problem
        rows = rank(scored_submissions(connection, CHALLENGE), problem.metrics, Board.PUBLIC, problem.score_kind)
        found = [find_submission(connection, each) for each in submissions]
    board = [[row.rank, str(row.submission.team_id), row.submission.name, row.scores] for row in rows]
    states = {str(each.submission_id): [each.state, each.outcome] for each in found if each is not None}
    json.dump({"challenge": CHALLENGE, "board": board, "states": states}, sys.stdout)


main()
