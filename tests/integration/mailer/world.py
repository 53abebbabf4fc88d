"""What the services record that a test does not start: people, problems, challenges, submissions, and what becomes of them."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, text

from shared.artefacts import Bucket, Store, log_key, traceback_key
from shared.events import (
    TEAM_LOG_BYTES,
    BaggedScore,
    ChallengeClosed,
    ChallengeCreated,
    Event,
    FoldLimits,
    FoldScore,
    FoldTrained,
    FoldUsage,
    JoinApproved,
    LogPolicy,
    Metadata,
    Metric,
    Outcome,
    ProblemPrepared,
    ProblemPublished,
    ScoreComputed,
    ScoringFailed,
    SubmissionUploaded,
    TeamCreated,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
    UserRegistered,
)
from shared.ledger import NewEvent, append
from shared.runs import run_id_of
from shared.vault import create_key, seal

DIGEST = "0" * 64
LIMITS = FoldLimits(time_limit_s=300, memory_limit_bytes=2**32)
METRICS = (
    Metric(name="acc", precision=2, is_lower_the_better=False, minimum=0, maximum=1),
    Metric(name="nll", precision=3, is_lower_the_better=True, minimum=0, maximum=None),
)


class World:
    """Appends events as the services that may, each with its own database role."""

    def __init__(self, ingest: Engine, orchestrator: Engine, scorer: Engine, trainers_store: Store) -> None:
        self._ingest = ingest
        self._orchestrator = orchestrator
        self._scorer = scorer
        self._trainers_store = trainers_store

    def person(self, name: str, email: str) -> UUID:
        """A registered person."""
        user_id = uuid4()
        with self._ingest.begin() as connection:
            key = create_key(connection, user_id)
            _append(connection, UserRegistered(user_id=user_id, name=seal(key, name), email=seal(key, email)))
        return user_id

    def team(self, name: str, *members: UUID) -> UUID:
        """A team; of one person, its name is sealed."""
        team_id = uuid4()
        with self._ingest.begin() as connection:
            if len(members) == 1:
                key = connection.execute(
                    text("SELECT key FROM vault.person_keys WHERE user_id = :id"), {"id": members[0]}
                ).scalar_one()
                name = seal(key, name)
            _append(connection, TeamCreated(team_id=team_id, name=name, members=members))
        return team_id

    def problem(self, problem_id: str) -> None:
        """A problem that is published and prepared."""
        published = ProblemPublished(
            problem_id=problem_id,
            version=1,
            organiser_id=uuid4(),
            kit_digest=DIGEST,
            private_digest=None,
            requirements=None,
            python_version="3.11",
            as_of=None,
        )
        prepared = ProblemPrepared(
            problem_id=problem_id,
            version=1,
            title=problem_id,
            manifest_digest=DIGEST,
            labels_digest=DIGEST,
            environment_digest=DIGEST,
            lock_digest=DIGEST,
            python_version="3.11",
            n_folds=2,
            elements=("classifier.py",),
            metrics=METRICS,
            has_test_set=True,
        )
        with self._ingest.begin() as connection:
            _append(connection, published)
        with self._scorer.begin() as connection:
            _append(connection, prepared)

    def challenge(
        self, challenge_id: str, title: str, log_policy: LogPolicy = LogPolicy.FULL, organiser_id: UUID | None = None
    ) -> str:
        """A challenge that is open, with its prepared problem."""
        self.problem(challenge_id)
        now = datetime.now(UTC)
        created = ChallengeCreated(
            challenge_id=challenge_id,
            title=title,
            problem_id=challenge_id,
            problem_version=1,
            organiser_id=organiser_id or uuid4(),
            opens_at=now,
            code_opens_at=now + timedelta(days=10),
            closes_at=now + timedelta(days=20),
            pool="default",
            limits=LIMITS,
            log_policy=log_policy,
            team_log_bytes=TEAM_LOG_BYTES,
        )
        with self._ingest.begin() as connection:
            _append(connection, created)
        return challenge_id

    def join(self, challenge_id: str, team_id: UUID) -> None:
        """A team takes part."""
        with self._ingest.begin() as connection:
            _append(connection, JoinApproved(challenge_id=challenge_id, team_id=team_id))

    def closed(self, challenge_id: str) -> int:
        """The challenge closes; returns the position at which that stands."""
        with self._orchestrator.begin() as connection:
            event = ChallengeClosed(challenge_id=challenge_id, due_at=datetime(2026, 11, 30, 9, tzinfo=UTC))
            return append(connection, [NewEvent(event, Metadata(correlation_id="test"))]).position

    def submission(self, challenge_id: str, team_id: UUID, user_id: UUID, name: str) -> UUID:
        """A submission that is handed in."""
        submission_id = uuid4()
        uploaded = SubmissionUploaded(
            submission_id=submission_id,
            challenge_id=challenge_id,
            team_id=team_id,
            user_id=user_id,
            name=name,
            bundle_digest=DIGEST,
            files=("classifier.py",),
            problem_id=challenge_id,
            problem_version=1,
            pool="default",
            limits=LIMITS,
        )
        with self._ingest.begin() as connection:
            _append(connection, uploaded)
        return submission_id

    def started(self, submission_id: UUID, challenge_id: str) -> None:
        """Its training is requested, and has begun."""
        run = {"run_id": run_id_of(submission_id), "submission_id": submission_id}
        requested = TrainingRequested(
            **run,
            challenge_id=challenge_id,
            attempt=1,
            pool="default",
            bundle_digest=DIGEST,
            manifest_digest=DIGEST,
            environment_digest=DIGEST,
            n_folds=2,
            limits=LIMITS,
            live_log_bytes=0,
        )
        with self._orchestrator.begin() as connection:
            _append(connection, requested)
            _append(connection, TrainingStarted(**run, attempt=1, execution_id=uuid4(), trainer="t", fold=None))

    def fold_trained(self, submission_id: UUID, fold: int, log: bytes) -> None:
        """One fold more, with what it printed."""
        run_id = run_id_of(submission_id)
        digest = hashlib.sha256(log).hexdigest()
        self._trainers_store.put_bytes(Bucket.RUNS, log_key("default", run_id, fold, digest), log)
        trained = FoldTrained(
            run_id=run_id,
            submission_id=submission_id,
            attempt=1,
            fold=fold,
            predictions_digest=DIGEST,
            log_digest=digest,
            log_bytes=len(log),
            usage=FoldUsage(train_time_s=1.5, valid_time_s=0.25, test_time_s=0.125, peak_memory_bytes=2**20),
        )
        with self._orchestrator.begin() as connection:
            _append(connection, trained)

    def finished(
        self, submission_id: UUID, outcome: Outcome, reason: str = "", traceback: bytes | None = None, *, number: int = 1
    ) -> UUID:
        """The end of its training; a traceback is in the object store before the event is in the ledger. `number`: of its runs."""
        run_id = run_id_of(submission_id, number)
        digest = None
        if traceback is not None:
            digest = hashlib.sha256(traceback).hexdigest()
            self._trainers_store.put_bytes(Bucket.RUNS, traceback_key("default", run_id, digest), traceback)
        event = TrainingFinished(
            run_id=run_id,
            submission_id=submission_id,
            attempt=1,
            outcome=outcome,
            reason=reason,
            fold=0,
            traceback_digest=digest,
            log_digest=None,
            pool="default",
        )
        with self._orchestrator.begin() as connection:
            _append(connection, event)
        return run_id

    def overwrite_traceback(self, run_id: UUID, promised: bytes, stored: bytes) -> None:
        """What a broken-into trainer could do."""
        key = traceback_key("default", run_id, hashlib.sha256(promised).hexdigest())
        self._trainers_store.put_bytes(Bucket.RUNS, key, stored)

    def scored(
        self, submission_id: UUID, challenge_id: str, detail_digest: str | None = None, number: int = 1, **valid: float | None
    ) -> None:
        """Scores of a run of it: bagged over two folds, validation and test; with a detail, some are missing."""
        event = ScoreComputed(
            run_id=run_id_of(submission_id, number),
            submission_id=submission_id,
            challenge_id=challenge_id,
            problem_version=1,
            folds=tuple(
                FoldScore(metric=name, fold=fold, train=1, valid=score, test=0.777)
                for name, score in valid.items()
                for fold in (0, 1)
            ),
            bagged=tuple(BaggedScore(metric=name, valid=(0.1, score), test=(0.2, 0.777)) for name, score in valid.items()),
            detail_digest=detail_digest,
        )
        self.as_scorer(event)

    def as_scorer(self, event: Event) -> None:
        """The scorer records it."""
        with self._scorer.begin() as connection:
            _append(connection, event)

    def scoring_failed(self, submission_id: UUID, challenge_id: str, reason: str, *, number: int = 1) -> None:
        """The kit's metric did not work."""
        event = ScoringFailed(
            run_id=run_id_of(submission_id, number),
            submission_id=submission_id,
            challenge_id=challenge_id,
            outcome="kit_error",
            reason=reason,
            detail_digest=DIGEST,
        )
        self.as_scorer(event)

    def forget(self, user_id: UUID) -> None:
        """Erase a person: destroy the key."""
        with self._ingest.begin() as connection:
            connection.execute(text("DELETE FROM vault.person_keys WHERE user_id = :id"), {"id": user_id})


def _append(connection: Connection, event: Event) -> None:
    append(connection, [NewEvent(event, Metadata(correlation_id="test"))])
