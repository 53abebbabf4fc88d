"""The demonstration: two challenges with the starters of their kits, made with the commands that people use.

Every step looks first whether it is done already, so a demonstration that was cut short goes on, and one that is complete
is not repeated.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.local.narration import Narration
from deploy.local.program import base_environment
from deploy.local.services import ROOT
from deploy.local.stack import Stack
from deploy.local.trouble import TroubleError

ORGANISER = "organiser"
PARTICIPANT = "demo"
STARTER = "starting_kit"


@dataclass(frozen=True)
class DemoKit:
    """A kit of this repository, and the challenge made of it."""

    name: str
    title: str


KITS = (DemoKit("iris", "Iris: three species by four measures"), DemoKit("digits", "Digits: handwritten numbers"))


class Demonstration:
    """Plays an organiser and a participant on a stack that runs."""

    def __init__(self, stack: Stack, narration: Narration) -> None:
        """Nothing is done yet."""
        self._stack = stack
        self._narration = narration

    def prepare_people(self) -> None:
        """The accounts, the organiser's rights. Raises `TroubleError`."""
        for name in (ORGANISER, PARTICIPANT):
            if self._palio(name, "login", "--name", name, expected=(0, 1), quiet=True).returncode != 0:
                self._palio(name, "register", "--name", name, "--email", f"{name}@localhost")
        self._stack.appoint_administrator(ORGANISER)

    def open_challenge(self, kit: DemoKit) -> None:
        """Publish a kit, wait until it is prepared, open its challenge. Raises `TroubleError`."""
        challenges = self._answer(ORGANISER, "challenge", "list")["items"]
        if any(challenge["id"] == kit.name for challenge in challenges):
            return
        published = self._palio(ORGANISER, "problem", "show", kit.name, "--json", expected=(0, 1), quiet=True)
        if published.returncode != 0 or json.loads(published.stdout)["state"] != "prepared":
            self._palio(ORGANISER, "problem", "publish", f"kits/{kit.name}", "--wait")
        self._palio(ORGANISER, "challenge", "create", kit.name, "--problem", kit.name, "--title", kit.title)

    def submit_starter(self, kit: DemoKit) -> None:
        """Join the challenge and hand in the kit's starter. Raises `TroubleError`."""
        own = self._answer(PARTICIPANT, "status", "--challenge", kit.name)["items"]
        if any(submission["name"] == STARTER for submission in own):
            return
        self._palio(PARTICIPANT, "join", kit.name)
        where = ("--kit", f"kits/{kit.name}", "--submission", STARTER)
        self._palio(PARTICIPANT, "submit", *where, "--challenge", kit.name)

    def password(self, name: str) -> str:
        """The password of one of the two people."""
        return self._stack.credentials.secret("person", name)

    def _answer(self, person: str, *arguments: str) -> Mapping[str, list[Mapping[str, str]]]:
        """What a command that lists something says, as JSON."""
        answer: Mapping[str, list[Mapping[str, str]]] = json.loads(self._palio(person, *arguments, "--json", quiet=True).stdout)
        return answer

    def _palio(
        self, person: str, *arguments: str, expected: Sequence[int] = (0,), quiet: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run the command `palio` as one of the two people. Raises `TroubleError` with its last words if it fails.

        Shown to whoever watches, unless `quiet`: then the output is returned instead.
        """
        if not quiet:
            self._narration.say(f"{person}$ palio {shlex.join(arguments)}")
        home = self._stack.path / "demo" / person
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            **base_environment(home),
            "PALIO_SERVER": self._stack.origin,
            "PALIO_PASSWORD": self.password(person),
            # One line is one line: the width of a terminal that may not be there would break them.
            "COLUMNS": "120",
        }
        done = subprocess.run(
            [sys.executable, "-m", "palio", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if not quiet:
            for line in (done.stdout + done.stderr).strip().splitlines():
                self._narration.say(f"  {line}")
        if done.returncode not in expected:
            raise TroubleError(f"`palio {shlex.join(arguments)}` failed: {_last_line(done.stderr or done.stdout)}")
        return done


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["(nothing)"])[-1]
