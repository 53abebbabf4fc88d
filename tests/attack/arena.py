"""Where attacks meet neighbours: one problem, a challenge for each kind of trainer, and rounds of submissions.

A round submits a group of attacks to every pool at once, with a neighbour's starter among them and another after them.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from minio import Minio

from deploy.local.stack import Stack
from shared.artefacts import Bucket
from shared.runs import run_id_of
from tests.attack.attacks import FOLDER, Attack
from tests.attack.planted import Planted
from tests.support.people import Person, files_of, followed
from tests.support.reading import minio_of, objects

#: Each served by one trainer: root's and an ordinary user's. If no root runs this, the platform's own is an ordinary user's.
POOLS = ("default", "ordinary") if os.geteuid() == 0 else ("default",)
MIB = 2**20
LIMITS = {
    "time_limit_s": 30,
    "memory_limit_bytes": 192 * MIB,
    "log_limit_bytes": 2 * MIB,
    "output_limit_bytes": 256 * MIB,
    "max_processes": 24,
}
#: For attacks that take all the time that they are given.
HASTE = {**LIMITS, "time_limit_s": 2}
STARTER = FOLDER / "kit/submissions/starting_kit"


class Round:
    """A group of attacks that are tried together."""

    def __init__(self, arena: "Arena", attacks: Sequence[Attack]) -> None:
        self._arena = arena
        self._name = attacks[0].group
        self._among: dict[str, str] = {}
        self._after: dict[str, object] = {}
        self._results: dict[str, dict[str, object]] = {}
        self.ids: dict[tuple[str, str], str] = {}
        for number, attack in enumerate(attacks):
            for pool in arena.pools:
                if number == len(attacks) // 2:
                    self._among[pool] = arena.submit_starter(pool, f"among {self._name}")
                self.ids[pool, attack.name] = arena.submit(pool, attack)

    def result(self, pool: str, name: str) -> dict[str, object]:
        """What became of an attack, as whoever submitted it sees it; waits for it."""
        submission_id = self.ids[pool, name]
        if submission_id not in self._results:
            self._results[submission_id] = followed(self._arena.mallory, submission_id)
        return self._results[submission_id]

    def scores_beside_and_after(self, pool: str) -> list[object]:
        """The scores of the starters that ran beside the attacks, and after all of them."""
        for place in self.ids:
            self.result(*place)
        if pool not in self._after:
            after = self._arena.submit_starter(pool, f"after {self._name}")
            self._after[pool] = self._arena.scores_of(after)
        return [self._arena.scores_of(self._among[pool]), self._after[pool]]


class Arena:
    """A problem with secrets, and its challenges. Made once; everything in it is a person's own doing through the API."""

    def __init__(
        self, platform: Stack, organiser: Person, mallory: Person, neighbour: Person, planted: Planted, pools: Sequence[str]
    ) -> None:
        self.platform, self.organiser, self.mallory, self.neighbour = platform, organiser, mallory, neighbour
        self.planted, self.pools = planted, pools
        self._rounds: dict[str, Round] = {}
        self.challenges = []
        for pool in pools:
            for challenge, limits in ((f"attacked-{pool}", LIMITS), (f"attacked-{pool}-in-haste", HASTE)):
                settings = {"pool": pool, "limits": limits}
                organiser.client.create_challenge(challenge, f"Attacked, {pool}", "attacked", settings)
                mallory.client.join(challenge)
                self.challenges.append(challenge)
            neighbour.client.join(f"attacked-{pool}")
        self.trainer_pid = platform.supervisor.pid("trainer-1")
        before = {pool: self.submit_starter(pool, "before") for pool in pools}
        self.before = {pool: self.scores_of(submission_id) for pool, submission_id in before.items()}

    def round(self, attacks: Sequence[Attack]) -> Round:
        """The round of a group, begun at the first call."""
        name = attacks[0].group
        if name not in self._rounds:
            self._rounds[name] = Round(self, attacks)
        return self._rounds[name]

    def submit(self, pool: str, attack: Attack) -> str:
        """Submit an attack; returns its id."""
        challenge = f"attacked-{pool}-in-haste" if attack.outcome == "time_limit" else f"attacked-{pool}"
        return str(self.mallory.client.submit(challenge, attack.name, attack.files)["id"])

    def submit_starter(self, pool: str, name: str, challenge: str | None = None) -> str:
        """Submit the starter with secrets of the neighbour's in it; returns its id."""
        source = files_of(STARTER)["regressor.py"].decode()
        secrets = self.planted.canaries
        source = source.replace("an honest word", secrets["a neighbour's log"]) + "# " + secrets["a neighbour's source"]
        return str(self.neighbour.client.submit(challenge or f"attacked-{pool}", name, {"regressor.py": source.encode()})["id"])

    def scores_of(self, submission_id: str) -> object:
        """All scores of a submission of the neighbour's, those on the test set among them."""
        submission = followed(self.neighbour, submission_id)
        assert submission["state"] == "scored", submission
        return self.organiser.client.submission(submission_id)["scores"]

    def stored(self, pool: str, submission_id: str) -> list[tuple[str, bytes]]:
        """All that the trainer kept of a submission: predictions, logs, tracebacks, by key."""
        operator: Minio = minio_of(self.platform, "operator")
        return list(objects(operator, Bucket.RUNS, f"{pool}/{run_id_of(UUID(submission_id))}/"))


def left_on_this_machine() -> list[str]:
    """What attacks have started or written outside of a sandbox: all that they make carries `palio-attack` in its name."""
    found = [str(path) for folder in ("/tmp", "/dev/shm", "/var/tmp") for path in Path(folder).glob("*palio-attack*")]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"palio-attack" in (command := process.read_bytes()):
                found.append(f"{process}: {command!r}")
    return found
