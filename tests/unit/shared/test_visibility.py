"""Who sees what in which phase."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import LogPolicy
from shared.visibility import (
    Phase,
    Viewer,
    phase_at,
    sees_grades,
    sees_log,
    sees_private_scores,
    sees_problem,
    sees_starting_kit,
    sees_traceback,
)

OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CODE_OPENS, CLOSES = OPENS + timedelta(days=10), OPENS + timedelta(days=20)
NOBODY, ADMINISTRATOR = Viewer(), Viewer(user_id=uuid4(), administrator=True)
TEAM = uuid4()
MEMBER = Viewer(user_id=uuid4(), team_ids=frozenset({TEAM}))


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        (OPENS - timedelta(microseconds=1), Phase.ANNOUNCED),
        (OPENS, Phase.COMPETITIVE),
        (CODE_OPENS - timedelta(microseconds=1), Phase.COMPETITIVE),
        (CODE_OPENS, Phase.COLLABORATIVE),
        (CLOSES - timedelta(microseconds=1), Phase.COLLABORATIVE),
        (CLOSES, Phase.CLOSED),
    ],
)
def test_a_bound_belongs_to_the_phase_that_begins_there(moment: datetime, phase: Phase) -> None:
    assert phase_at(moment, OPENS, CODE_OPENS, CLOSES) is phase


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=2))
def test_phases_never_go_backwards(moments: list[datetime]) -> None:
    order = list(Phase)
    first, second = (order.index(phase_at(each, OPENS, CODE_OPENS, CLOSES)) for each in sorted(moments))
    assert first <= second


@pytest.mark.parametrize("phase", list(Phase))
def test_test_scores_are_the_administrators_until_the_end(phase: Phase) -> None:
    assert sees_private_scores(ADMINISTRATOR, phase)
    for viewer in (NOBODY, MEMBER):
        assert sees_private_scores(viewer, phase) is (phase is Phase.CLOSED)


@pytest.mark.parametrize(
    ("policy", "log", "traceback"),
    [(LogPolicy.FULL, True, True), (LogPolicy.OWN_TRACEBACK, False, True), (LogPolicy.NONE, False, False)],
)
def test_a_team_sees_of_its_log_and_traceback_what_the_challenge_shows(policy: LogPolicy, *, log: bool, traceback: bool) -> None:
    assert sees_log(MEMBER, TEAM, policy) is log
    assert sees_traceback(MEMBER, TEAM, policy) is traceback
    for stranger, team in ((MEMBER, uuid4()), (NOBODY, TEAM)):
        assert not sees_log(stranger, team, policy)
        assert not sees_traceback(stranger, team, policy)
    assert sees_log(ADMINISTRATOR, TEAM, policy)
    assert sees_traceback(ADMINISTRATOR, TEAM, policy)


def test_the_starting_kit_is_there_from_the_opening_on() -> None:
    assert not sees_starting_kit(MEMBER, Phase.ANNOUNCED)
    assert sees_starting_kit(ADMINISTRATOR, Phase.ANNOUNCED)
    assert all(sees_starting_kit(NOBODY, phase) for phase in Phase if phase is not Phase.ANNOUNCED)


def test_a_problem_is_its_organisers() -> None:
    assert MEMBER.user_id is not None
    assert sees_problem(MEMBER, MEMBER.user_id)
    assert not sees_problem(MEMBER, uuid4())
    assert not sees_problem(NOBODY, uuid4())


def test_grades_are_the_organisers() -> None:
    assert sees_grades(MEMBER, MEMBER.user_id)
    assert not sees_grades(MEMBER, uuid4())
    assert not sees_grades(NOBODY, None), "a challenge without an organiser is nobody's"
    assert sees_grades(ADMINISTRATOR, None)
