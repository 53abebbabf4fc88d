"""Boards in memory: read once, and then only what changed. For any thread.

Why an answer out of memory is the one that the database would give:

- `Changes` hears of every transaction of the projection, whichever instance ran it, and looks by itself every `LOOK_S` should a
  notification be lost. While the read models stand where they stood when a board was read, it is that board. Has nothing been heard
  for `FRESH_S`, or do they stand elsewhere, the database is asked.
- A row of `submissions` changes with its `changed_at_position`, and the projection commits in the order of positions. So what changed since
  the checkpoint that was read *before* the rows is found by that column alone; what was committed in between is found again next time.
- What a board shows does not depend on the clock or on who looks; whether it is shown does, and that is decided for every request. The clock
  is the ledger's when the challenge was read, and what this host's steady clock has counted since: never ahead of the ledger's.
- A board of another moment (`at`) is not kept.
- Names are unsealed again after `NAMES_S`: so long an erased one may stand there.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.leaderboard.challenges import Challenge, find_challenge
from services.leaderboard.changes import Changes
from services.leaderboard.ensembles import Ensemble, find_ensemble
from services.leaderboard.submissions import Submission, boards_changed_since, read_tables
from services.leaderboard.teams import team_names
from shared.visibility import Phase

NAMES_S = 60.0
#: More than two looks.
FRESH_S = 5.0
N_LOCKS = 64
#: Of all challenges together; of those that were read last. About 15 kB each.
MAX_SUBMISSIONS = 50_000


@dataclass(frozen=True)
class Kept:
    """A challenge's boards as they stand: all that pages are made of."""

    challenge: Challenge
    submissions: Mapping[UUID, Submission]
    ensemble: Ensemble | None
    #: Everything up to this position is in it; and which tables that was (a rebuild puts others in their place).
    position: int
    tables: int
    #: Where the read models stood, as far as was heard, before they were read.
    heard: int
    #: By this host's steady clock.
    read_at_s: float
    named_at_s: float
    #: What was made of it: pages, answers. Shared with the next one if that shows the same.
    made: dict[Any, Any] = field(default_factory=dict)
    #: Rows as they are shown, by submission: what is made anew of a changed board is only what changed.
    rows: dict[Any, Any] = field(default_factory=dict)
    making: threading.Lock = field(default_factory=threading.Lock)

    @property
    def phase(self) -> Phase:
        """The challenge's phase, by a clock that is never ahead of the ledger's."""
        return self.challenge.phase_at(self.challenge.read_at + timedelta(seconds=time.monotonic() - self.read_at_s))


class KeptBoards:
    """The boards of the challenges that were read last."""

    def __init__(self, engine: Engine, changes: Changes, names_s: float = NAMES_S) -> None:
        self._engine = engine
        self._names_s = names_s
        self._changes = changes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        # A few for all, so that whoever asks for challenges that are not there leaves nothing behind.
        self._reading = [threading.Lock() for _ in range(N_LOCKS)]
        self._lock = threading.Lock()

    def at_hand(self, challenge_id: str) -> Kept | None:
        """What is kept, if it is known to be what the database would say. Never waits."""
        kept = self._kept.get(challenge_id)
        return kept if kept is not None and self._is_current(kept) else None

    def read(self, challenge_id: str) -> Kept:
        """The boards as they stand, with as little from the database as it takes. Raises a 404 `Problem` for an unknown challenge."""
        # One reads what changed, the others wait for it.
        with self._reading[hash(challenge_id) % N_LOCKS]:
            kept = self.at_hand(challenge_id)
            if kept is None:
                kept = self._read(challenge_id)
                self._keep(challenge_id, kept)
        return kept

    def _is_current(self, kept: Kept) -> bool:
        now = time.monotonic()
        is_heard = kept.heard == self._changes.position and now - self._changes.looked_at_s < FRESH_S
        return is_heard and now - kept.named_at_s < self._names_s

    def _read(self, challenge_id: str) -> Kept:
        heard, before = self._changes.position, self._kept.get(challenge_id)
        with self._engine.connect() as connection:
            challenge = find_challenge(connection, challenge_id)
            read_at_s = time.monotonic()
            tables, position = read_tables(connection)
            if before is None or before.tables != tables or before.position > position:
                before = Kept(challenge, {}, None, -1, tables, heard, read_at_s, read_at_s)
            submissions = _moved(connection, before)
            are_names_old = read_at_s - before.named_at_s >= self._names_s
            submissions = _renamed(connection, submissions) if are_names_old else submissions
            ensemble = find_ensemble(connection, challenge)
            if ensemble is not None and ensemble.looks_like(before.ensemble):
                # Looked at again, and the same came of it.
                ensemble = before.ensemble
        now = replace(
            before,
            challenge=challenge,
            submissions=submissions,
            position=position,
            heard=heard,
            read_at_s=read_at_s,
            named_at_s=read_at_s if are_names_old else before.named_at_s,
        )
        is_same_problem = challenge.problem == before.challenge.problem
        if submissions is before.submissions and is_same_problem and ensemble is before.ensemble:
            return now
        # Copied, which is one step: another thread may be adding rows to it.
        rows = before.rows.copy() if is_same_problem else {}
        rows = {key: row for key, row in rows.items() if submissions.get(key[0]) is before.submissions[key[0]]}
        return replace(now, ensemble=ensemble, made={}, rows=rows, making=threading.Lock())

    def _keep(self, challenge_id: str, kept: Kept) -> None:
        with self._lock:
            self._kept[challenge_id] = kept
            self._kept.move_to_end(challenge_id)
            while len(self._kept) > 1 and sum(len(each.submissions) for each in self._kept.values()) > MAX_SUBMISSIONS:
                self._kept.popitem(last=False)


def _moved(connection: Connection, before: Kept) -> Mapping[UUID, Submission]:
    """What stands on the boards now: the very same mapping if nothing of it changed."""
    changed, standing = boards_changed_since(connection, before.challenge.challenge_id, before.position)
    if not standing and not changed & before.submissions.keys():
        return before.submissions
    kept = {key: each for key, each in before.submissions.items() if key not in changed}
    return kept | {each.submission_id: each for each in standing}


def _renamed(connection: Connection, submissions: Mapping[UUID, Submission]) -> Mapping[UUID, Submission]:
    """With the teams' names of now: the very same mapping if they are."""
    names = team_names(connection, {each.team_id for each in submissions.values()})
    if all(names[each.team_id] == each.team for each in submissions.values()):
        return submissions
    return {
        key: each if names[each.team_id] == each.team else replace(each, team=names[each.team_id])
        for key, each in submissions.items()
    }
