"""What a board costs: after one new score, and to those who look at it.

After a score: a ledger of 20 teams, 7 metrics and 2 folds; time and SQL statements from the score on the ledger to the board's new JSON: taken
in by the projection, what changed read, put in order, written. Medians.

Reads: the read API as a process, asked by 8 clients over sockets, whole boards and with the tag of what one has (304). Clients and
service share the cores.

Examples:
  .venv/bin/python -m benchmarks.boards
  .venv/bin/python -m benchmarks.boards --entries 300 --reads 2000 --json

"""

import random
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from uuid import UUID, uuid4

import httpx
from sqlalchemy import Engine, create_engine, event

from benchmarks.figures import Arguments, Figures, say
from benchmarks.rebuild import Row, append_rows, golden_row
from benchmarks.throughput import service
from deploy.local.ports import LOOPBACK, is_listening
from deploy.local.stack import Stack
from services.leaderboard.api.board_rows import Asked
from services.leaderboard.api.boards import make_answer
from services.leaderboard.boards import Board
from services.leaderboard.changes import Changes
from services.leaderboard.kept_boards import KeptBoards
from services.leaderboard.projection import HANDLERS
from shared.ledger import Projection
from shared.telemetry import Readiness
from tests.support.waiting import wait_until

N_TEAMS, N_FOLDS, N_CLIENTS = 20, 2, 8
METRICS = [f"metric {number}" for number in range(7)]
#: From so many entries on, an answer is some megabytes, and a tenth of the reads will do.
LARGE = 1_000
HEAD_END = b"\r\n\r\n"


def history(challenge: str, n_submissions: int) -> Iterator[Row]:
    """A challenge, and so many scored submissions in it."""
    user_ids = [uuid4() for _ in range(N_TEAMS)]
    metrics = [{"name": name, "precision": 2, "is_lower_the_better": False, "minimum": 0, "maximum": 1} for name in METRICS]
    about = {"problem_id": challenge, "problem_version": 1}
    yield golden_row("ProblemPublished", problem_id=challenge, version=1)
    yield golden_row("ProblemPrepared", problem_id=challenge, version=1, n_folds=N_FOLDS, metrics=metrics)
    yield golden_row("ChallengeCreated", challenge_id=challenge, **about)
    teams = [uuid4() for _ in range(N_TEAMS)]
    for number, team in enumerate(teams):
        # Of two, so that its name is nobody's secret.
        yield golden_row("TeamCreated", team_id=team, name=f"team {number}", members=[user_ids[number], uuid4()])
    for number in range(n_submissions):
        yield from scored(challenge, number, teams[number % N_TEAMS], user_ids[number % N_TEAMS])


def scored(challenge: str, number: int, team: UUID, user: UUID) -> Iterator[Row]:
    """A submission, and its score."""
    submission, run = uuid4(), uuid4()
    about = {"submission_id": submission, "run_id": run}
    of_challenge = {"challenge_id": challenge}
    yield golden_row(
        "SubmissionUploaded", submission_id=submission, team_id=team, user_id=user, name=f"s {number}", **of_challenge
    )
    yield golden_row("TrainingRequested", **about, **of_challenge, attempt=1, n_folds=N_FOLDS)
    for fold in range(N_FOLDS):
        yield golden_row("FoldTrained", **about, attempt=1, fold=fold)
    folds = [{"metric": name, "fold": fold, **_splits()} for name in METRICS for fold in range(N_FOLDS)]
    bagged = [{"metric": name, **{split: [random.random(), random.random()] for split in ("valid", "test")}} for name in METRICS]
    yield golden_row("ScoreComputed", **about, **of_challenge, problem_version=1, folds=folds, bagged=bagged)


def _splits() -> dict[str, float]:
    return {split: random.random() for split in ("train", "valid", "test")}


def after_a_score(figures: Figures, owner: Engine, engine: Engine, challenge: str, n_entries: int, times: int) -> None:
    """The time and the statements until the board that one new score moved is JSON again."""
    projection = Projection("leaderboard", engine, HANDLERS, Readiness())
    boards = KeptBoards(engine, Changes(engine, projection))
    make_answer(boards.read(challenge), Board.PUBLIC, Asked(), csv=False)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_more: asked.append(statement))
    taken_in, made, counts = [], [], []
    for number in range(times):
        *before, score = scored(challenge, n_entries + number, *_a_team(engine))
        append_rows(owner, iter(before))
        projection.catch_up()
        append_rows(owner, iter([score]))
        asked.clear()
        started = time.perf_counter()
        projection.catch_up()
        taken_in.append(time.perf_counter() - started)
        started = time.perf_counter()
        make_answer(boards.read(challenge), Board.PUBLIC, Asked(), csv=False)
        made.append(time.perf_counter() - started)
        counts.append(len(asked))
    figures.add(n_entries, 1000 * median(taken_in), 1000 * median(made), int(median(counts)))


def _a_team(engine: Engine) -> tuple[UUID, UUID]:
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT team_id, user_id FROM members LIMIT 1").one()
    return row.team_id, row.user_id


def reads(figures: Figures, port: int, challenge: str, n_entries: int, n_reads: int) -> None:
    """Requests a second and how long one takes, whole and with a tag."""
    path = f"/v1/challenges/{challenge}/leaderboards/public"
    answer = httpx.get(f"http://{LOOPBACK}:{port}{path}", timeout=300).raise_for_status()
    for words, header in (("whole", ""), ("304", f"If-None-Match: {answer.headers['etag']}\r\n")):
        request = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n{header}\r\n".encode()
        n = n_reads if header or n_entries < LARGE else n_reads // 10
        durations: list[float] = []
        threads = [threading.Thread(target=_client, args=(port, request, n // N_CLIENTS, durations)) for _ in range(N_CLIENTS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
        cuts = quantiles(durations, n=100)
        size = 0 if header else len(answer.content)
        figures.add(n_entries, words, size / 1000, len(durations) / seconds, 1000 * cuts[49], 1000 * cuts[98])


def _client(port: int, request: bytes, n_reads: int, durations: list[float]) -> None:
    """One connection, one request after the other."""
    with socket.create_connection((LOOPBACK, port)) as connection:
        for _ in range(n_reads):
            started = time.perf_counter()
            connection.sendall(request)
            head, _, body = _head(connection).partition(HEAD_END)
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            left = int(fields.get(b"content-length", b"0")) - len(body) if b" 200 " in head[:20] else 0
            while left > 0:
                left -= len(connection.recv(min(left, 1 << 20)))
            durations.append(time.perf_counter() - started)


def _head(connection: socket.socket) -> bytes:
    received = b""
    while HEAD_END not in received:
        received += connection.recv(1 << 16)
    return received


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[300, 10_000], help="boards of so many [300 10000]")
    parser.add_argument("--reads", type=int, default=8_000, help="requests of each kind; a tenth of them for large boards [8000]")
    parser.add_argument("--times", type=int, default=20, help="new scores [20]")
    options = parser.parse_args()
    scores = Figures("after one new score", ("entries", "taken in, ms", "made anew, ms", "SQL statements"))
    looks = Figures("reads by 8 clients", ("entries", "answer", "kB", "requests per second", "p50, ms", "p99, ms"))
    with tempfile.TemporaryDirectory(prefix="palio-benchmark-") as folder, Stack(Path(folder) / "stack") as stack:
        stack.start_servers()
        stack.migrate()
        owner = create_engine(stack.postgres.owner_url())
        url = stack.services.environment("leaderboard")["PALIO_DATABASE_URL"]
        engine = create_engine(url)
        for n_entries in options.entries:
            challenge = f"of-{n_entries}"
            say(f"a board of {n_entries:,}")
            append_rows(owner, history(challenge, n_entries))
            Projection("leaderboard", engine, HANDLERS, Readiness()).catch_up()
            after_a_score(scores, owner, engine, challenge, n_entries, options.times)
        with service(stack, "leaderboard"):
            wait_until(lambda: is_listening(stack.service_ports["leaderboard"]), "the leaderboard")
            for n_entries in options.entries:
                reads(looks, stack.service_ports["leaderboard"], f"of-{n_entries}", n_entries, options.reads)
        owner.dispose()
        engine.dispose()
    scores.print(as_json=options.json)
    looks.print(as_json=options.json)


if __name__ == "__main__":
    main()
