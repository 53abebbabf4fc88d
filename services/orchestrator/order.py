"""Whose turn it is. Pure: from what waits and what is requested to an order, without clock or database.

Turns go round: among challenges first, then among a challenge's teams, then by age; a team's first requests and shared folds
take turns, too. What is requested and not done counts as turns that were had. So a team's hundred submissions delay another
team's first by one job, and a challenge with a thousand teams delays another by one. This is fair queueing by rounds: a job's
round is the number of its own kind before it, plus those under way. [J. Nagle, RFC 970, 1985: one queue a source, served in turn.]
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

#: Requests under way for each slot: one that runs, and one that waits in the pool's queue, so that no slot is ever idle for
#: the time that a request takes from here to a trainer.
REQUESTS_PER_SLOT = 2
#: Shared folds are slow by definition: a slot can wait for its next one, and a first fold of somebody else gets past them.
EXTRA_SHARED_FOLDS = 1


@dataclass(frozen=True)
class Job:
    """A run's first request (`fold` is None), or one of its shared folds. `age`: lower goes first within a team."""

    run_id: UUID
    fold: int | None
    submission_id: UUID
    challenge_id: str
    team_id: UUID
    age: int

    @property
    def is_shared_fold(self) -> bool:
        """Whether it is one fold of a run whose folds are slow."""
        return self.fold is not None


@dataclass(frozen=True)
class Turns:
    """The ledger position of the last turn, by challenge and team. Who never had one is first."""

    positions: Mapping[tuple[str, UUID], int] = field(default_factory=dict)

    def of_team(self, job: Job) -> int:
        """When the job's team last had a turn in its challenge."""
        return self.positions.get((job.challenge_id, job.team_id), 0)

    def of_challenges(self) -> dict[str, int]:
        """When each challenge last had a turn."""
        newest: dict[str, int] = {}
        for (challenge_id, _), position in self.positions.items():
            newest[challenge_id] = max(position, newest.get(challenge_id, 0))
        return newest


def fair_order(waiting: Iterable[Job], under_way: Collection[Job], turns: Turns) -> list[Job]:
    """All that wait, the next one first."""
    teams: dict[tuple[str, UUID], list[Job]] = defaultdict(list)
    for job in waiting:
        teams[job.challenge_id, job.team_id].append(job)
    of_team = Counter((job.challenge_id, job.team_id) for job in under_way)
    challenges: dict[str, list[tuple[int, int, int, Job]]] = defaultdict(list)
    for (challenge_id, team_id), jobs in teams.items():
        for number, job in enumerate(_mixed(jobs), start=of_team[challenge_id, team_id]):
            challenges[challenge_id].append((number, turns.of_team(job), job.age, job))
    of_challenge = Counter(job.challenge_id for job in under_way)
    last_turns = turns.of_challenges()
    order: list[tuple[int, int, int, Job]] = []
    for challenge_id, entries in challenges.items():
        entries.sort(key=lambda entry: entry[:3])
        for number, (_, _, age, job) in enumerate(entries, start=of_challenge[challenge_id]):
            order.append((number, last_turns.get(challenge_id, 0), age, job))
    order.sort(key=lambda entry: entry[:3])
    return [job for *_, job in order]


def next_jobs(waiting: Iterable[Job], under_way: Collection[Job], turns: Turns, slots: int) -> list[Job]:
    """Those that are requested now, in order: so many that every slot of the pool stays busy, and no more.

    What is not requested yet can be withdrawn at once, and overtaken by whoever comes later and has had fewer turns.
    """
    room = REQUESTS_PER_SLOT * slots - len(under_way)
    room_for_shared = slots + EXTRA_SHARED_FOLDS - sum(job.is_shared_fold for job in under_way)
    chosen: list[Job] = []
    for job in fair_order(waiting, under_way, turns):
        if len(chosen) >= room:
            break
        if job.is_shared_fold:
            if room_for_shared <= 0:
                continue
            room_for_shared -= 1
        chosen.append(job)
    return chosen


def _mixed(jobs: list[Job]) -> list[Job]:
    """A team's jobs: its first requests and its shared folds in turn, each the oldest first."""
    first = sorted((job for job in jobs if job.fold is None), key=lambda job: job.age)
    shared = sorted((job for job in jobs if job.fold is not None), key=lambda job: (job.age, job.fold))
    numbered = [(number, job.is_shared_fold, job) for group in (first, shared) for number, job in enumerate(group)]
    return [job for *_, job in sorted(numbered, key=lambda entry: entry[:2])]
