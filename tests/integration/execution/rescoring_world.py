"""A challenge whose problem has versions, and a scorer that hears of what happens in it: all real, but for training.

Predictions are as good as a test says: of so many rows in a hundred the label is right.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar, cast
from uuid import UUID

import numpy as np
from sqlalchemy import Engine

from services.scorer.consumer import ScorerConsumer
from services.scorer.ensembles import EnsembleMaker
from services.scorer.environments import BuiltEnvironment, EnvironmentShop
from services.scorer.passes import Passes
from services.scorer.predictions import Members
from services.scorer.preparation import ProblemPreparer
from services.scorer.projection import READ_MODEL
from services.scorer.rescoring import Rescorer
from services.scorer.scoring import RunScorer, TrainedRun
from shared.artefacts import Bucket, Store, content_key, predictions_key
from shared.artefacts.archives import digest_of
from shared.bus.doorbell import Doorbell
from shared.events import (
    Event,
    Outcome,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    RescoringConfirmed,
    RescoringFailed,
    RescoringRequested,
    RunRescored,
    TrainingFinished,
)
from shared.execution.arrays import packed
from shared.execution.cache import Cache
from shared.execution.sandbox import Sandbox
from shared.execution.stations import Environment, Stations
from shared.ledger import Projection, known_events, read_after
from shared.runs import run_id_of
from shared.settings import CacheSettings
from shared.telemetry import Readiness
from shared.workbench import Workbench
from tests.integration.execution.layout import LIMITS
from tests.integration.execution.small_kits import TINY, rows, tiny_kit
from tests.support.goldens import golden
from tests.support.histories import ADMINISTRATOR, CHALLENGE, POOL, History, Submission

E = TypeVar("E", bound=Event)

N_TRAIN, N_TEST = 60, 21
#: By its number: what the version's kit has otherwise than the first.
VERSIONS: Mapping[int, Mapping[str, bytes]] = {
    1: {},
    2: {
        "problem.py": TINY + b"\nclass Errors(Accuracy):\n    name, is_lower_the_better = 'errors', False\n"
        b"    def score_function(self, truths, predictions): return 1 - super().score_function(truths, predictions)\n\n"
        b"score_types = [Errors()]\n"
    },
    3: {"data/train.csv": rows(N_TRAIN + 3)},
    4: {"problem.py": TINY + b"\nPredictions.combine = None\n"},
    5: {
        "problem.py": TINY + b"\nclass Raises(Accuracy):\n    def score_function(self, t, p): raise ValueError('no')\n\n"
        b"score_types = [Raises()]\n"
    },
}


class OneEnvironment:
    """A shop that has one environment, ready."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def environment_of(self, _kit: Path, _published: ProblemPublished) -> BuiltEnvironment:
        return BuiltEnvironment("e" * 64, "", self._environment.interpreter.version, ())

    @contextmanager
    def unpacked(self, _digest: str, _python_version: str) -> Iterator[Environment]:
        yield self._environment


class WorkbenchWithEnvironment(Workbench):
    """One on which the environment stands already."""

    ready: Environment

    @contextmanager
    def environment(self, _digest: str, _python_version: str) -> Iterator[Environment]:
        yield self.ready


def prepare_versions(
    store_of: Callable[[str], Store], sandbox: Sandbox, environment: Environment, folder: Path
) -> dict[int, ProblemPrepared]:
    """All versions, prepared and in the store."""
    shop = cast("EnvironmentShop", OneEnvironment(environment))
    preparer = ProblemPreparer(store_of("scorer"), shop, sandbox, LIMITS, folder / "work")
    prepared = {}
    for version, replaced in VERSIONS.items():
        kit = tiny_kit(folder, replaced, N_TRAIN, N_TEST)
        digest = digest_of(kit)
        store_of("ingest").put_file(Bucket.KITS, content_key(digest), kit)
        published = golden("ProblemPublished").model_copy(
            update={
                "problem_id": CHALLENGE,
                "version": version,
                "kit_digest": digest,
                "private_digest": None,
                "label_free_folders": (),
            }
        )
        assert isinstance(published, ProblemPublished)
        event = preparer.prepare(published)
        assert isinstance(event, ProblemPrepared), event
        prepared[version] = event
    return prepared


class CountingScorer(RunScorer):
    """The real one; tells what it was asked to score anew, and may do something before that."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.rescored: list[UUID] = []
        self.meanwhile: Callable[[TrainedRun], object] = lambda _run: None

    def rescore(self, run: TrainedRun, prepared: ProblemPrepared) -> RunRescored | RescoringFailed:
        self.rescored.append(run.stored.run_id)
        self.meanwhile(run)
        return super().rescore(run, prepared)


class World:
    """The challenge, and its one scorer."""

    def __init__(
        self,
        engine_of: Callable[[str], Engine],
        store_of: Callable[[str], Store],
        prepared: Mapping[int, ProblemPrepared],
        environment: Environment,
        stations: Stations,
        folder: Path,
    ) -> None:
        self.history = History(engine_of, store_of("ingest"))
        for event in prepared.values():
            # Of the first version it stands in place of the one that the history has made up.
            self.history.append_as("scorer", event)
        self.engine = engine_of("scorer")
        self._trainers = store_of("trainer-default")
        workbench = WorkbenchWithEnvironment(store_of("scorer"), CacheSettings(cache_dir=folder))
        workbench.ready = environment
        members = Members(store_of("scorer"), Cache(folder / "members", 1 << 30), folder / "laying-out")
        self.projection = Projection("scorer", self.engine, READ_MODEL.handlers, Readiness())
        self.maker = EnsembleMaker(self.engine, self.projection, store_of("scorer"), workbench, stations, members, LIMITS)
        self.scorer = CountingScorer(store_of("scorer"), workbench, stations, LIMITS)
        turns = asyncio.Semaphore(2)
        rescorer = Rescorer(self.engine, self.projection, Passes(self.engine, self.projection, workbench, self.scorer, turns, 2))
        self.consumer = ScorerConsumer(
            self.engine, cast("ProblemPreparer", None), self.scorer, rescorer, Doorbell(self.projection), turns
        )

    def events(self, kind: type[E]) -> list[E]:
        """All of a type that the ledger holds."""
        return [event for event in self._known() if isinstance(event, kind)]

    def _known(self) -> list[Event]:
        with self.engine.connect() as connection:
            return [event for _, event in known_events(read_after(connection, 0, 10_000))]

    def recorded(self, kind: type[Event]) -> RecordedEvent:
        """The newest of a type."""
        with self.engine.connect() as connection:
            return [each for each in read_after(connection, 0, 10_000) if each.type == kind.__name__][-1]

    async def hear(self, recorded: RecordedEvent) -> None:
        """Its message comes to the scorer."""
        await self.consumer.handle(SimpleNamespace(body=recorded.to_cloudevent()))  # type: ignore[arg-type]

    def train(self, submission: Submission, right: int, run_id: UUID | None = None, n_train: int = N_TRAIN) -> RecordedEvent:
        """A run, by default the first, is trained: of so many rows in a hundred its predictions are right."""
        run_id = run_id or run_id_of(submission.submission_id)
        digests = []
        for fold in range(3):
            content = packed({"train.values": predictions(n_train, right), "test.values": predictions(N_TEST, right)})
            digests.append(hashlib.sha256(content).hexdigest())
            self._trainers.put_bytes(Bucket.RUNS, predictions_key(POOL, run_id, fold, digests[-1]), content)
        finished = TrainingFinished(
            run_id=run_id,
            submission_id=submission.submission_id,
            attempt=1,
            outcome=Outcome.TRAINED,
            reason="",
            fold=None,
            traceback_digest=None,
            log_digest=None,
            pool=POOL,
            predictions_digests=tuple(digests),
        )
        self.history.append_as("orchestrator", finished)
        return self.recorded(TrainingFinished)

    def scored(self, *right: int) -> list[Submission]:
        """Submissions of as many teams, trained and scored by the first version. No sandbox has seen them, so that it is quick."""
        submissions = [self.history.submitted(self.history.person()) for _ in right]
        for submission, good in zip(submissions, right, strict=True):
            self.train(submission, good)
            self.history.score(submission, good / 100)
        return submissions

    def request(self, version: int, challenge_id: str = CHALLENGE) -> RecordedEvent:
        """The organiser asks for a dry run."""
        wanted = RescoringRequested(
            challenge_id=challenge_id, problem_version=version, problem_id=CHALLENGE, user_id=ADMINISTRATOR
        )
        self.history.append_as("ingest", wanted)
        return self.recorded(RescoringRequested)

    def confirm(self, version: int, *, without_missing: bool = True) -> RecordedEvent:
        """The organiser wants the version."""
        wanted = RescoringConfirmed(
            challenge_id=CHALLENGE, problem_version=version, user_id=ADMINISTRATOR, without_missing=without_missing
        )
        self.history.append_as("ingest", wanted)
        return self.recorded(RescoringConfirmed)


def predictions(n_rows: int, right: int) -> np.ndarray:
    """Probabilities of two classes for the kit's rows."""
    labels = np.array([int(line.rsplit(b",", 1)[1]) for line in rows(n_rows).split(b"\n")])
    is_right = np.arange(n_rows) * 37 % 100 < right
    return np.eye(2)[np.where(is_right, labels, 1 - labels)]


def teams(submissions: Sequence[Submission]) -> list[UUID]:
    """Whose they are."""
    return [each.account.team_id for each in submissions]
