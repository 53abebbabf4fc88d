"""Fair order: properties of one decision, and simulations of a pool over hours."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.order import EXTRA_SHARED_FOLDS, REQUESTS_PER_SLOT, Job, Turns, fair_order, next_jobs


def team(number: int) -> UUID:
    return UUID(int=number)


def job(number: int, *, challenge: str = "a", of_team: int = 1, fold: int | None = None) -> Job:
    return Job(UUID(int=number), fold, UUID(int=number), challenge, team(of_team), age=number)


jobs = st.lists(
    st.builds(
        job,
        st.integers(1, 30),
        challenge=st.sampled_from("abc"),
        of_team=st.integers(1, 4),
        fold=st.none() | st.integers(1, 3),
    ),
    unique_by=lambda each: (each.run_id, each.fold),
    max_size=30,
)
turns = st.builds(
    Turns, st.dictionaries(st.tuples(st.sampled_from("abc"), st.integers(1, 4).map(team)), st.integers(1, 100), max_size=8)
)


@given(jobs, jobs, turns)
def test_everybody_who_waits_has_one_place(waiting: list[Job], under_way: list[Job], turns: Turns) -> None:
    order = fair_order(waiting, under_way, turns)
    assert sorted(order, key=repr) == sorted(waiting, key=repr)


@given(jobs, jobs, turns, st.integers(1, 8))
def test_so_many_are_requested_that_every_slot_is_busy_and_no_more(
    waiting: list[Job], under_way: list[Job], turns: Turns, slots: int
) -> None:
    chosen = next_jobs(waiting, under_way, turns, slots)
    room = max(REQUESTS_PER_SLOT * slots - len(under_way), 0)
    assert len(chosen) <= room
    shared = [each for each in (*under_way, *chosen) if each.is_shared_fold]
    if any(each.is_shared_fold for each in chosen):
        assert len(shared) <= slots + EXTRA_SHARED_FOLDS
    if not any(each.is_shared_fold for each in waiting):
        assert len(chosen) == min(room, len(waiting))
    if not under_way:
        assert len(chosen) >= min(len(waiting), slots)


@given(jobs, turns)
def test_no_team_is_more_than_one_turn_ahead_of_another_one_of_its_challenge_that_waits(waiting: list[Job], turns: Turns) -> None:
    order = [each for each in fair_order(waiting, [], turns) if each.challenge_id == "a"]
    had = Counter(dict.fromkeys((each.team_id for each in order), 0))
    for place, each in enumerate(order):
        still_waiting = {later.team_id for later in order[place:]}
        assert had[each.team_id] <= min(had[team_id] for team_id in still_waiting)
        had[each.team_id] += 1


def test_a_team_takes_its_first_requests_and_its_shared_folds_in_turn() -> None:
    waiting = [job(1, fold=1), job(1, fold=2), job(2), job(3)]
    assert fair_order(waiting, [], Turns()) == [job(2), job(1, fold=1), job(3), job(1, fold=2)]


def test_who_has_had_fewer_turns_is_next_and_among_equals_the_older() -> None:
    waiting = [job(1, of_team=1), job(2, of_team=2), job(3, of_team=3)]
    assert fair_order(waiting, [job(9, of_team=1)], Turns({("a", team(2)): 50})) == [waiting[2], waiting[1], waiting[0]]


def test_a_challenge_with_a_thousand_jobs_and_one_with_a_single_one_take_turns() -> None:
    waiting = [job(number, of_team=number) for number in range(1, 1001)] + [job(2000, challenge="b")]
    assert fair_order(waiting, [], Turns()).index(job(2000, challenge="b")) == 1


@dataclass
class Pool:
    """A pool of trainers, simulated: it runs what is requested in the order in which it was, on its slots."""

    slots: int
    now: float = 0.0
    waiting: list[Job] = field(default_factory=list)
    requested: list[Job] = field(default_factory=list)
    running: list[tuple[float, int, Job]] = field(default_factory=list)
    turns: dict[tuple[str, UUID], int] = field(default_factory=dict)
    begun_at: dict[Job, float] = field(default_factory=dict)
    position: int = 0

    def go(self, seconds: dict[Job, float], arrivals: Iterable[tuple[float, Job]] = ()) -> None:
        """Run until everything is done. `seconds` by job; 1 for those that it does not name."""
        coming = sorted(arrivals, key=lambda each: each[0])
        self._fill(seconds)
        while coming or self.running:
            if coming and (not self.running or coming[0][0] <= self.running[0][0]):
                self.now, arrived = coming.pop(0)
                self.waiting.append(arrived)
            else:
                self.now, _, _ = heapq.heappop(self.running)
            self._fill(seconds)

    def _fill(self, seconds: dict[Job, float]) -> None:
        under_way = [*self.requested, *(each for *_, each in self.running)]
        for each in next_jobs(self.waiting, under_way, Turns(self.turns), self.slots):
            self.position += 1
            self.turns[each.challenge_id, each.team_id] = self.position
            self.waiting.remove(each)
            self.requested.append(each)
        while self.requested and len(self.running) < self.slots:
            each = self.requested.pop(0)
            self.begun_at[each] = self.now
            heapq.heappush(self.running, (self.now + seconds.get(each, 1.0), each.age, each))


def test_a_teams_hundred_submissions_delay_anothers_first_by_no_more_than_what_is_requested_already() -> None:
    pool = Pool(slots=2, waiting=[job(number) for number in range(1, 101)])
    late = job(1000, of_team=2)
    pool.go({}, [(10.5, late)])
    assert pool.begun_at[late] - 10.5 <= 2 * REQUESTS_PER_SLOT / 2
    assert len(pool.begun_at) == 101


def test_first_feedback_stays_quick_while_long_folds_wait() -> None:
    long_folds = [job(number, of_team=number, fold=fold) for number in range(1, 11) for fold in range(1, 8)]
    firsts = [(100.0 + 50 * number, job(1000 + number, of_team=100 + number)) for number in range(10)]
    pool = Pool(slots=4, waiting=list(long_folds))
    pool.go(dict.fromkeys(long_folds, 60.0), firsts)
    # Four slots with 60 s each: one is free every 15 s on average, and at most one long fold is asked for ahead of its time.
    assert max(pool.begun_at[each] - came for came, each in firsts) <= 60.0
    assert len(pool.begun_at) == len(long_folds) + len(firsts)


def test_nobody_starves_though_others_never_stop_submitting() -> None:
    stream = [(0.4 * number, job(number, of_team=number % 3)) for number in range(1, 500)]
    patient = [job(1000 + fold, of_team=77, fold=fold) for fold in range(1, 8)]
    pool = Pool(slots=2)
    pool.go({}, [*stream, *((5.0, each) for each in patient)])
    assert max(pool.begun_at[each] for each in patient) <= 5.0 + 7 * 4 * 1.0
