"""Histories of a platform without its machines: what people, trainers and the scorer do, by the services' own functions.

Everything is really decided, recorded and projected; only the predictions and scores are made up.
"""

import io
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy import Engine

from services.ingest.accounts import Account, register
from services.ingest.challenges import NewChallenge, create_challenge, join_challenge
from services.ingest.crediting import GivenCredits, give_credits
from services.ingest.problems import ProblemUpload, publish_problem
from services.ingest.reproductions import Reproduction, reproduce
from services.ingest.retrainings import Retraining, retrain
from services.ingest.submissions import NewSubmission, SubmissionDesk
from services.ingest.withdrawals import withdraw
from services.leaderboard.projection import READ_MODEL as LEADERBOARD
from services.mailer.outbox import Outbox
from services.mailer.reactions import READ_MODEL as MAILER
from services.orchestrator.challenge_times import record_what_has_come
from services.orchestrator.projection import READ_MODEL as ORCHESTRATOR
from services.orchestrator.release import release
from services.orchestrator.reminders import QueueState, Reminders
from services.orchestrator.run import decide
from services.orchestrator.runs import decide_and_append
from services.scorer.ensembles import computed, read_due
from services.scorer.projection import READ_MODEL as SCORER
from shared.artefacts import Store
from shared.artefacts.archives import pack_files
from shared.bus.reports import AnyReport, FailedReport, FoldTrainedReport, ReturnedReport, SlowReport, StartedReport
from shared.events import (
    Credit,
    CurvePoint,
    EnsembleScore,
    Event,
    FoldLimits,
    FoldRequested,
    FoldUsage,
    Metadata,
    Outcome,
    RankMove,
    RunRequested,
    ScoreComputed,
    ScoreEvent,
    TrainingRequested,
)
from shared.execution.ensembling import EnsembleScores, FoundEnsemble
from shared.final_scores import ScoreKind
from shared.ledger import NewEvent, Projection, ReadModel, append, append_once, derived_id, known_events, read_after, read_stream
from shared.runs import Asked, run_asked_for, run_has_failed, run_id_of, standing_runs
from shared.telemetry import Readiness
from shared.vault import Principal
from tests.support.goldens import golden

POOL = "default"
CHALLENGE = "history"
ADMINISTRATOR = UUID(int=1)
ORGANISER = Principal(ADMINISTRATOR, administrator=True)
N_FOLDS = 3
METADATA = Metadata(correlation_id="a history")
USAGE = FoldUsage(train_time_s=1, valid_time_s=0.25, test_time_s=0, peak_memory_bytes=1)


@dataclass(frozen=True)
class Submission:
    """A submission and whose it is."""

    submission_id: UUID
    account: Account


class History:
    """One challenge with three folds, on a real ledger. Its code opens when it closes, unless it has been open since `code_opens_at`."""

    def __init__(
        self,
        engine_of: Callable[[str], Engine],
        store: Store,
        score_kind: ScoreKind = "bag",
        organiser_id: UUID = ADMINISTRATOR,
        code_opens_at: datetime | None = None,
        closes_at: datetime | None = None,
    ) -> None:
        self._engine_of = engine_of
        self._desk = SubmissionDesk(engine_of("ingest"), store, 100_000)
        self.orchestrator = engine_of("orchestrator")
        self.accounts: list[Account] = []
        self.submissions: list[Submission] = []
        self._store = store
        self.publish_next_version(score_kind)
        times = {"opens_at": code_opens_at, "code_opens_at": code_opens_at, "closes_at": closes_at}
        new = NewChallenge.model_validate({"id": CHALLENGE, "title": "A history", "problem": CHALLENGE, **times})
        create_challenge(engine_of("ingest"), new, organiser_id, [POOL])

    def projection(self, model: ReadModel, batch: int = 500) -> Projection:
        """A service's read model, as the service itself keeps it up to date."""
        return Projection(model.schema, self._engine_of(model.schema), model.handlers, Readiness(), batch=batch)

    def catch_up(self) -> None:
        """Let every service take in what happened."""
        for model in (ORCHESTRATOR, LEADERBOARD, MAILER, SCORER):
            self.projection(model).catch_up()

    def person(self) -> Account:
        """Somebody registers and joins."""
        name = f"p{secrets.token_hex(6)}"
        account = register(self._engine_of("ingest"), name, f"{name}@example.org", "a password").account
        join_challenge(self._engine_of("ingest"), CHALLENGE, account.team_id, account.user_id)
        self.accounts.append(account)
        return account

    def submit(self, account: Account) -> UUID:
        """Hand in a submission under a new name."""
        new = NewSubmission(CHALLENGE, f"s{secrets.token_hex(6)}", {"classifier.py": b"x = 1\n"}, idempotency_key=str(uuid4()))
        accepted = self._desk.submit(new, account.user_id, account.team_id)
        self.submissions.append(Submission(accepted.submission_id, account))
        return accepted.submission_id

    def submitted(self, account: Account) -> Submission:
        """Hand in a submission, which waits then."""
        self.submit(account)
        return self.submissions[-1]

    def scored(
        self, account: Account, value: float | None = 0.5, test: float | None = None, folds: Sequence[float] = ()
    ) -> Submission:
        """Hand in a submission that is trained and scored, as `score` says."""
        submission = self.submitted(account)
        self.release(slots=100)
        self.trained(submission)
        self.score(submission, value, test, folds)
        return submission

    def create_challenge_that_is_over(self, name: str) -> None:
        """A second challenge on the same problem, whose times are all in the past."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        new = NewChallenge(id=name, title=name, problem=CHALLENGE, opens_at=past, code_opens_at=past, closes_at=past)
        create_challenge(self._engine_of("ingest"), new, ADMINISTRATOR, [POOL])

    def time_passes(self) -> None:
        """The orchestrator says which times of challenges have come."""
        self.projection(ORCHESTRATOR).catch_up()
        record_what_has_come(self.orchestrator)

    def ask_again(self) -> None:
        """The orchestrator takes everything that the scorer owes for forgotten."""

        async def idle() -> QueueState:
            return QueueState(ready=0, consumers=1)

        self.projection(ORCHESTRATOR).catch_up()
        reminders = Reminders(self.orchestrator, idle, idle_after_s=0, unprepared_after_s=0.001, unscored_after_s=0.001)
        reminders.remind()

    def withdraw(self, submission: Submission) -> None:
        """Take it back; refused once its training is over."""
        account = submission.account
        withdraw(self._engine_of("ingest"), submission.submission_id, account.user_id, account.team_id, is_administrator=False)

    def credit(self, submission: Submission, *sources: tuple[Submission, int], by: Account | None = None) -> GivenCredits:
        """Its team, or `by` somebody else, says what it took from others, in percent."""
        account = by or submission.account
        wanted = [Credit(submission_id=each.submission_id, percent=percent) for each, percent in sources]
        return give_credits(self._engine_of("ingest"), submission.submission_id, wanted, account.user_id, account.team_id)

    def release(self, slots: int = 2) -> int:
        """Request what fits into so many slots."""
        self.projection(ORCHESTRATOR).catch_up()
        return release(self.orchestrator, POOL, slots)

    def report(self, report: AnyReport) -> None:
        """A trainer says it."""
        decide_and_append(self.orchestrator, report.run_id, lambda run: decide(run, report, POOL, 3))

    def trained(self, submission: Submission) -> None:
        """Its run goes through without a hitch, once it is requested."""
        self.report(StartedReport(**self.about(submission), trainer="t", shared_fold=None))
        for fold in range(N_FOLDS):
            self.report(self.fold_report(submission, fold))

    def score(
        self,
        submission: Submission,
        value: float | None = 0.5,
        test: float | None = None,
        folds: Sequence[float] = (),
        detail_digest: str | None = None,
        version: int = 1,
    ) -> None:
        """The scorer is done with it; said again, nothing changes. `test`: else as on validation rows. `folds`: else one of them."""
        run_id = self.run_id(submission)
        scored = golden("ScoreComputed")
        assert isinstance(scored, ScoreComputed)
        bagged = tuple(
            each.model_copy(update={"valid": (value,), "test": (value if test is None else test,)}) for each in scored.bagged
        )
        of_folds = tuple(
            scored.folds[0].model_copy(update={"fold": number, "valid": each}) for number, each in enumerate(folds or [value])
        )
        about = {
            "run_id": run_id,
            "submission_id": submission.submission_id,
            "challenge_id": CHALLENGE,
            "problem_version": version,
        }
        event = scored.model_copy(update={**about, "bagged": bagged, "folds": of_folds, "detail_digest": detail_digest})
        append_once(self._engine_of("scorer"), [NewEvent(event, METADATA, id=derived_id(run_id, "score"))])

    def combine(self, *picks: Sequence[int], valid: float = 0.9, test: float = 0.8) -> bool:
        """The scorer works out the ensemble, if it is due: candidates in the order of their uploads, by fold."""
        self.projection(SCORER).catch_up()
        engine = self._engine_of("scorer")
        with engine.begin() as connection:
            due = read_due(connection, CHALLENGE)
            if due is None:
                return False
            whole = (EnsembleScore(metric="acc", valid=valid, test=test),)
            curve = (CurvePoint(n_members=max(map(len, picks)), valid=valid, test=test),)
            scores = EnsembleScores(combined=whole, foldwise_best=whole, curve=curve, problems=())
            event = computed(due, FoundEnsemble(picks=tuple(map(tuple, picks)), scores=scores))
            append(connection, [NewEvent(event, METADATA, due.stream_version)])
        return True

    def fail_to_combine(self, detail_digest: str) -> None:
        """The kit's code fails while the ensemble is worked out, if one is due."""
        self.projection(SCORER).catch_up()
        with self._engine_of("scorer").begin() as connection:
            due = read_due(connection, CHALLENGE)
            if due is not None:
                event = golden("EnsembleFailed").model_copy(
                    update={"challenge_id": CHALLENGE, "up_to_position": due.up_to_position, "detail_digest": detail_digest}
                )
                append(connection, [NewEvent(event, METADATA, due.stream_version)])

    def fail_to_score(self, submission: Submission) -> None:
        """The scorer can't score it."""
        run_id = self.run_id(submission)
        event = golden("ScoringFailed").model_copy(
            update={"run_id": run_id, "submission_id": submission.submission_id, "challenge_id": CHALLENGE}
        )
        append_once(self._engine_of("scorer"), [NewEvent(event, METADATA, id=derived_id(run_id, "score"))])

    def run_id(self, submission: Submission) -> UUID:
        """Its newest run."""
        with self.orchestrator.connect() as connection:
            events = [event for _, event in known_events(read_stream(connection, f"submission-{submission.submission_id}"))]
        return run_asked_for([event for event in events if isinstance(event, Asked)][-1])

    def problem_version(self, submission: Submission) -> int:
        """By which version of the problem its newest run is trained."""
        with self.orchestrator.connect() as connection:
            events = [event for _, event in known_events(read_stream(connection, f"submission-{submission.submission_id}"))]
        return [event for event in events if isinstance(event, Asked)][-1].problem_version

    def retrain(self, *submissions: Submission, version: int | None = None, again: bool = False) -> list[str]:
        """The organiser asks for other runs; says what came of each."""
        wanted = Retraining(tuple(each.submission_id for each in submissions) or None, version, again, "a reason")
        _, found = retrain(self._engine_of("ingest"), CHALLENGE, wanted, ORGANISER)
        return [each.answer for each in found]

    def reproduce(self, submission: Submission) -> Reproduction:
        """The organiser asks for its newest trained run to be made again."""
        return reproduce(self._engine_of("ingest"), submission.submission_id, None, "a reason", ORGANISER)

    def reproduced(self, submission: Submission, value: float = 0.5) -> None:
        """The scorer is done with the reproduction that is its newest run."""
        with self.orchestrator.connect() as connection:
            stream = known_events(read_stream(connection, f"submission-{submission.submission_id}"))
            asked = [event for _, event in stream if isinstance(event, RunRequested)][-1]
        self._append_score("RunReproduced", submission, asked.run_id, value, of_run_id=asked.of_run_id)

    def publish_next_version(self, score_kind: ScoreKind = "bag") -> int:
        """One more version of the problem, prepared; returns its number."""
        kit = pack_files({"problem.py": b"", "submissions/starting_kit/classifier.py": b""})
        upload = ProblemUpload(CHALLENGE, io.BytesIO(kit), None, None, None, None, ())
        version = publish_problem(self._engine_of("ingest"), self._store, upload, ADMINISTRATOR, 2**20).version
        about = {"version": version, "n_folds": N_FOLDS, "elements": ("classifier.py",), "score_kind": score_kind}
        self._golden("scorer", "ProblemPrepared", problem_id=CHALLENGE, **about)
        return version

    def stands(self, submission: Submission) -> bool:
        """Whether any of its runs that may stand on boards did not fail, but for the newest, which may be under way."""
        with self.orchestrator.connect() as connection:
            stream = known_events(read_stream(connection, f"submission-{submission.submission_id}"))
            *earlier, _ = standing_runs(event for _, event in stream)
            return not all(run_has_failed(connection, each) for each in earlier)

    def is_scored(self, submission: Submission) -> bool:
        """Whether its newest run is, and may stand on boards."""
        with self.orchestrator.connect() as connection:
            stream = known_events(read_stream(connection, f"score-{self.run_id(submission)}"))
            return any(isinstance(event, ScoreComputed) for _, event in stream)

    def score_newest(self, submission: Submission) -> None:
        """The scorer is done with its newest run, whatever that was asked for."""
        with self.orchestrator.connect() as connection:
            events = [event for _, event in known_events(read_stream(connection, f"submission-{submission.submission_id}"))]
        asked = [event for event in events if isinstance(event, Asked)][-1]
        if isinstance(asked, RunRequested) and asked.purpose == "reproduce":
            self.reproduced(submission)
        else:
            self.score(submission, version=asked.problem_version)

    def rescored(self, submission: Submission, version: int, value: float = 0.5) -> None:
        """The scorer has scored its newest run by another version of the problem."""
        self._append_score("RunRescored", submission, self.run_id(submission), value, problem_version=version)

    def adopt(self, version: int, *moves: RankMove) -> None:
        """The challenge runs this version from here on."""
        adopted = golden("ProblemVersionAdopted").model_copy(
            update={"challenge_id": CHALLENGE, "problem_id": CHALLENGE, "problem_version": version, "moves": moves}
        )
        append_once(self._engine_of("scorer"), [NewEvent(adopted, METADATA, id=derived_id(CHALLENGE, version, "adopted"))])

    def _append_score(self, name: str, submission: Submission, run_id: UUID, value: float, **changes: object) -> None:
        scored = golden(name)
        assert isinstance(scored, ScoreEvent)
        about = {"run_id": run_id, "submission_id": submission.submission_id, "challenge_id": CHALLENGE, "problem_version": 1}
        bagged = tuple(each.model_copy(update={"valid": (value,), "test": (value,)}) for each in scored.bagged)
        folds = (scored.folds[0].model_copy(update={"fold": 0, "valid": value}),)
        event = scored.model_copy(update={**about, "bagged": bagged, "folds": folds, "detail_digest": None, **changes})
        ids = (run_id, "score", event.problem_version) if name == "RunRescored" else (run_id, "score")
        append_once(self._engine_of("scorer"), [NewEvent(event, METADATA, id=derived_id(*ids))])

    def send_a_mail(self) -> bool:
        """The mailer sends what is due first; False if nothing is."""
        self.projection(MAILER).catch_up()
        mail = self.outbox.take()
        if mail is None:
            return False
        with self._engine_of("mailer").connect() as connection:
            [cause] = read_after(connection, mail.caused_at_position - 1, 1)
        self.outbox.sent(mail, cause)
        return True

    @cached_property
    def outbox(self) -> Outbox:
        """The mailer's."""
        return Outbox(self._engine_of("mailer"), "example.org")

    def about(self, submission: Submission) -> dict[str, object]:
        """What all reports of its newest request say."""
        run_id = self.run_id(submission)
        return {
            "run_id": run_id,
            "submission_id": submission.submission_id,
            "attempt": self.attempt(submission),
            "execution_id": uuid4(),
        }

    def attempt(self, submission: Submission) -> int:
        """How often any of its jobs was requested; 0 for a run that was not."""
        events = self.run_events(submission)
        return max((each.attempt for each in events if isinstance(each, TrainingRequested | FoldRequested)), default=0)

    def run_events(self, submission: Submission) -> list[Event]:
        """Its run, as the ledger says."""
        with self.orchestrator.connect() as connection:
            stream = read_stream(connection, f"run-{self.run_id(submission)}")
            return [event for _, event in known_events(stream)]

    def request_run(self, submission: Submission, purpose: Literal["retrain", "reproduce"], version: int = 1) -> RunRequested:
        """Its organiser asks for another run of it; a reproduction is of the first."""
        first = run_id_of(submission.submission_id)
        with self._engine_of("ingest").connect() as connection:
            number = len(read_stream(connection, f"submission-{submission.submission_id}")) + 1
        event = RunRequested(
            run_id=run_id_of(submission.submission_id, number),
            submission_id=submission.submission_id,
            challenge_id=CHALLENGE,
            team_id=submission.account.team_id,
            number=number,
            purpose=purpose,
            of_run_id=first if purpose == "reproduce" else None,
            problem_id=CHALLENGE,
            problem_version=version,
            pool=POOL,
            limits=FoldLimits.model_validate({}),
            user_id=ADMINISTRATOR,
            reason="",
        )
        self.append_as("ingest", event)
        return event

    def fold_report(self, submission: Submission, fold: int) -> FoldTrainedReport:
        """A fold is trained."""
        more = {"fold": fold, "predictions_digest": f"{fold:064x}", "log_digest": "0" * 64, "log_bytes": 10, "usage": USAGE}
        return FoldTrainedReport.model_validate({**self.about(submission), **more})

    def failed_report(self, submission: Submission) -> FailedReport:
        """A fold raised an error."""
        more = {
            "outcome": Outcome.TRAIN_ERROR,
            "reason": "a\u2028b",
            "fold": 0,
            "traceback_digest": "0" * 64,
            "log_digest": "0" * 64,
        }
        return FailedReport.model_validate({**self.about(submission), **more})

    def slow_report(self, submission: Submission) -> SlowReport:
        """Its folds are slow."""
        return SlowReport.model_validate(self.about(submission))

    def returned_report(self, submission: Submission, fold: int | None) -> ReturnedReport:
        """A trainer hands it back."""
        return ReturnedReport.model_validate({**self.about(submission), "shared_fold": fold, "reason": "stopping", "words": ""})

    def started_report(self, submission: Submission, fold: int | None) -> StartedReport:
        """A trainer begins."""
        return StartedReport.model_validate({**self.about(submission), "trainer": "t", "shared_fold": fold})

    def append_as(self, service: str, event: Event) -> None:
        """A service records it."""
        append_once(self._engine_of(service), [NewEvent(event, METADATA)])

    def _golden(self, service: str, name: str, **changes: object) -> None:
        self.append_as(service, golden(name).model_copy(update=changes))
