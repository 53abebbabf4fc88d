"""Read models made anew from the ledger are those in use, whatever happened, and take their place while others read and write."""

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, text

from services.leaderboard.submissions import find_submission
from shared.artefacts import Store
from shared.events import Outcome, TrainingFinished
from shared.http import Problem
from shared.ledger import head_position
from shared.ledger.read_model import read_models
from shared.ledger.rebuild import RebuildError, compare, rebuild
from tests.support.histories import N_FOLDS, History, Submission

MODELS = ("ingest", "leaderboard", "mailer", "orchestrator", "scorer")


def unseen(_position: int, _goal: int) -> None:
    """Nobody watches."""


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    return History(engine_of, store_of("ingest"))


def differences(owner: Engine) -> dict[str, list[str]]:
    return {name: found for name, model in read_models().items() if (found := compare(owner, model, unseen).differences)}


def test_every_service_that_keeps_something_of_the_ledger_says_so() -> None:
    assert tuple(read_models()) == MODELS


class Histories(RuleBasedStateMachine):
    """Anything that may happen, in any order, with read models that are behind, or are being made anew."""

    history: ClassVar[History]
    owner: ClassVar[Engine]

    @initialize()
    def begin(self) -> None:
        self.account = self.history.person()
        self.submissions: list[Submission] = []

    @rule()
    def submit(self) -> None:
        self.history.submit(self.account)
        self.submissions.append(self.history.submissions[-1])

    @rule()
    def close_a_challenge(self) -> None:
        self.history.create_challenge_that_is_over(f"over-{secrets.token_hex(6)}")
        self.history.time_passes()

    @rule()
    def ask_again(self) -> None:
        self.history.ask_again()

    @rule(slots=st.integers(1, 3))
    def release(self, slots: int) -> None:
        self.history.release(slots)

    @precondition(lambda self: self.submissions)
    @rule(
        data=st.data(),
        kind=st.sampled_from(["started", "fold", "failed", "slow", "returned", "all"]),
        fold=st.integers(0, N_FOLDS - 1),
    )
    def report(self, data: st.DataObject, kind: str, fold: int) -> None:
        submission = data.draw(st.sampled_from(self.submissions))
        if not self.history.attempt(submission):
            return
        reports = {
            "started": [self.history.started_report(submission, None)],
            "fold": [self.history.fold_report(submission, fold)],
            "failed": [self.history.failed_report(submission)],
            "slow": [self.history.slow_report(submission)],
            "returned": [self.history.returned_report(submission, None)],
            "all": [self.history.fold_report(submission, each) for each in range(N_FOLDS)],
        }
        for report in reports[kind]:
            self.history.report(report)

    @precondition(lambda self: self.submissions)
    @rule(data=st.data(), how=st.sampled_from(["score", "fail"]))
    def judge(self, data: st.DataObject, how: str) -> None:
        submission = data.draw(st.sampled_from(self.submissions))
        events = self.history.run_events(submission)
        if any(isinstance(each, TrainingFinished) and each.outcome is Outcome.TRAINED for each in events):
            (self.history.score_newest if how == "score" else self.history.fail_to_score)(submission)

    @precondition(lambda self: self.submissions)
    @rule(data=st.data(), again=st.booleans())
    def retrain(self, data: st.DataObject, *, again: bool) -> None:
        self.history.retrain(data.draw(st.sampled_from(self.submissions)), again=again)

    @precondition(lambda self: self.submissions)
    @rule(data=st.data())
    def reproduce(self, data: st.DataObject) -> None:
        submission = data.draw(st.sampled_from(self.submissions))
        with suppress(Problem):
            self.history.reproduce(submission)

    @rule(data=st.data())
    def move_to_another_version(self, data: st.DataObject) -> None:
        version = self.history.publish_next_version()
        for each in self.submissions:
            if self.history.is_scored(each) and data.draw(st.booleans()):
                self.history.rescored(each, version, data.draw(st.sampled_from([0.25, 0.5])))
        if data.draw(st.booleans()):
            self.history.adopt(version)

    @precondition(lambda self: self.submissions)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        submission = data.draw(st.sampled_from(self.submissions))
        is_over = any(isinstance(each, TrainingFinished) for each in self.history.run_events(submission))
        # Or it stands on boards by an earlier run.
        is_over = is_over or self.history.stands(submission)
        with pytest.raises(Problem, match="training is over") if is_over else nullcontext():
            self.history.withdraw(submission)

    @precondition(lambda self: self.submissions)
    @rule(data=st.data(), percent=st.integers(1, 50))
    def credit(self, data: st.DataObject, percent: int) -> None:
        place = data.draw(st.integers(0, len(self.submissions) - 1))
        sources = data.draw(st.lists(st.sampled_from(self.submissions[:place]), max_size=2, unique_by=id)) if place else []
        self.history.credit(self.submissions[place], *((each, percent) for each in sources))

    @rule(picks=st.sampled_from([[0], [0, 0]]))
    def combine(self, picks: list[int]) -> None:
        self.history.combine(picks, picks, [0])

    @rule()
    def mail(self) -> None:
        self.history.send_a_mail()

    @rule(name=st.sampled_from(MODELS), batch=st.integers(1, 7))
    def fall_behind_or_catch_up(self, name: str, batch: int) -> None:
        model = read_models()[name]
        if model.follows:
            self.history.projection(model, batch).catch_up()

    @rule(name=st.sampled_from(MODELS))
    def make_anew(self, name: str) -> None:
        rebuild(self.owner, read_models()[name], unseen)

    def teardown(self) -> None:
        assert differences(self.owner) == {}


def test_what_is_made_anew_is_what_is_in_use_after_any_history(history: History, owner: Engine) -> None:
    Histories.history, Histories.owner = history, owner
    run_state_machine_as_test(
        Histories,
        settings=settings(max_examples=8, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
    )
    with owner.connect() as connection:
        assert head_position(connection) > 50, "something happened"


def finished(history: History) -> Submission:
    history.submit(history.person())
    submission = history.submissions[-1]
    history.release()
    history.trained(submission)
    history.score(submission)
    history.catch_up()
    return submission


@pytest.mark.parametrize("name", MODELS)
def test_a_difference_is_named_and_mended(name: str, history: History, owner: Engine) -> None:
    finished(history)
    table = {"ingest": "joins", "leaderboard": "folds", "mailer": "teams", "orchestrator": "durations", "scorer": "runs"}[name]
    with owner.begin() as connection:
        connection.execute(text(f"DELETE FROM {name}.{table}"))
    model = read_models()[name]
    assert compare(owner, model, unseen).differences == [table]
    rebuild(owner, model, unseen)
    assert compare(owner, model, unseen).differences == []


def test_no_mail_goes_out_again_and_what_waits_still_waits(history: History, owner: Engine) -> None:
    finished(history)
    assert history.send_a_mail()
    finished(history)
    waiting = history.outbox.take()
    assert waiting is not None, "a mail is being sent while its table is replaced"
    rebuild(owner, read_models()["mailer"], unseen)
    assert history.outbox.take() is None
    history.outbox.put_back(waiting, "refused for now")
    with owner.connect() as connection:
        states = connection.execute(
            text("SELECT state, attempts, last_error FROM mailer.outbox ORDER BY caused_at_position")
        ).all()
    assert [tuple(each) for each in states] == [("sent", 1, None), ("pending", 1, "refused for now")]


def test_readers_and_writers_go_on_while_models_are_replaced(
    history: History, owner: Engine, engine_of: Callable[[str], Engine]
) -> None:
    first = finished(history).submission_id
    stop = threading.Event()

    def read() -> int:
        times = 0
        while not stop.is_set():
            with engine_of("leaderboard").connect() as connection:
                found = find_submission(connection, first)
            assert found is not None
            assert found.state == "scored"
            times += 1
        return times

    def write() -> int:
        times = 0
        while not stop.is_set():
            finished(history)
            times += 1
        return times

    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(read), threads.submit(read), threads.submit(write)]
        try:
            for _ in range(2):
                for model in read_models().values():
                    rebuild(owner, model, unseen)
        finally:
            stop.set()
        assert all(each.result() for each in working)
    history.catch_up()
    assert differences(owner) == {}


def test_a_rebuild_that_fails_leaves_what_is_in_use_and_the_next_one_works(history: History, owner: Engine) -> None:
    finished(history)

    class DiedError(Exception):
        pass

    def die(_position: int, _goal: int) -> None:
        raise DiedError

    model = read_models()["leaderboard"]
    with pytest.raises(DiedError):
        rebuild(owner, model, die)
    assert compare(owner, model, unseen).differences == []
    rebuild(owner, model, unseen)


def test_two_at_once_are_refused(history: History, owner: Engine) -> None:
    model = read_models()["leaderboard"]
    seen: list[str] = []

    def meanwhile(_position: int, _goal: int) -> None:
        with pytest.raises(RebuildError, match="already"):
            compare(owner, model, unseen)
        seen.append("refused")

    rebuild(owner, model, meanwhile)
    assert seen


def test_a_schema_that_a_killed_rebuild_left_is_not_in_the_way(history: History, owner: Engine) -> None:
    with owner.begin() as connection:
        for name in ("leaderboard_made_anew", "leaderboard_replaced"):
            connection.execute(text(f"CREATE SCHEMA {name}"))
            connection.execute(text(f"CREATE TABLE {name}.checkpoint (position bigint)"))
    rebuild(owner, read_models()["leaderboard"], unseen)
    with owner.connect() as connection:
        left = connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'leaderboard%'")).scalars().all()
    assert left == ["leaderboard"]
