"""A kit's folder on a participant's disk: where it came from, its submissions and their files.

Reads names and files only; what `problem.py` says is `palio.kit`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from palio.contract_errors import KitError

STARTER = "starting_kit"
MEMORY = ".palio.json"
#: Stands for every submission.
ALL = "ALL"
#: In `submissions/` too: what blending them gives.
OUTPUT = "training_output"


@dataclass(frozen=True)
class Origin:
    """Where a kit was downloaded from."""

    server: str
    challenge: str


@dataclass(frozen=True)
class Target:
    """What `palio test` and `palio submit` were pointed at."""

    kit: Path
    submission: Path

    @property
    def origin(self) -> Origin | None:
        """Where the kit came from, if it was downloaded."""
        return origin_of(self.kit)


def is_kit(folder: Path) -> bool:
    """Whether a folder holds a kit."""
    return (folder / "problem.py").is_file()


def remember_origin(folder: Path, origin: Origin) -> None:
    """Note in the kit's folder where it came from."""
    text = json.dumps({"server": origin.server, "challenge": origin.challenge}, indent=2)
    (folder / MEMORY).write_text(f"{text}\n", encoding="utf-8")


def origin_of(folder: Path) -> Origin | None:
    """Where the kit came from; None if it does not say."""
    try:
        content = json.loads((folder / MEMORY).read_text(encoding="utf-8"))
        return Origin(server=str(content["server"]), challenge=str(content["challenge"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_target(arguments: Sequence[str], kit: Path | None = None, submission: str | None = None) -> Target:
    """The kit and the submission that a command means.

    `arguments` are its positional ones: a kit's folder, or a submission, or both in this order; `kit` and `submission` its
    options, which win. Without a kit it is the current folder; without a submission see `default_submission`. Raises
    KitError in words.
    """
    folder, name = _meant(arguments, kit, submission)
    return Target(folder, find_submission(folder, name).resolve())


def find_targets(arguments: Sequence[str], kit: Path | None = None, submission: str | None = None) -> list[Target]:
    """As `find_target`, and every submission in `submissions/` for the name ALL."""
    folder, name = _meant(arguments, kit, submission)
    if name != ALL:
        return [Target(folder, find_submission(folder, name).resolve())]
    names = submissions_of(folder)
    if not names:
        raise KitError(_no_submission(folder))
    return [Target(folder, (folder / "submissions" / each).resolve()) for each in names]


def _meant(arguments: Sequence[str], kit: Path | None, submission: str | None) -> tuple[Path, str | None]:
    names = list(arguments)
    if kit is None and names and is_kit(Path(names[0])):
        kit = Path(names.pop(0))
    if submission is None and names:
        submission = names.pop(0)
    if names:
        raise KitError(f"{names[0]!r} is one name too many: give a kit's folder, a submission, or both.")
    return find_kit(kit, submission), submission


def find_kit(kit: Path | None, submission: str | None = None) -> Path:
    """The folder of the kit that a command means, resolved: the one named, else the current one. Raises KitError if that is none."""
    folder = Path.cwd() if kit is None else kit
    if not is_kit(folder):
        raise KitError(_no_kit(folder, submission))
    return folder.resolve()


def find_submission(kit: Path, name: str | None) -> Path:
    """The folder of a submission, given by its name or its path."""
    if name is None:
        return default_submission(kit)
    for folder in (kit / "submissions" / name, Path(name)):
        if folder.is_dir():
            return folder
    raise KitError(f"There is no submission {name!r}: submissions/ holds {_listed(submissions_of(kit))}.")


def default_submission(kit: Path) -> Path:
    """The only submission; or the only one beside the starter. Raises KitError if that leaves a choice."""
    names = submissions_of(kit)
    own = [name for name in names if name != STARTER] or names
    if len(own) == 1:
        return kit / "submissions" / own[0]
    if not own:
        raise KitError(_no_submission(kit))
    raise KitError(f"Which submission? submissions/ holds {_listed(names)}: name one.")


def submissions_of(kit: Path) -> list[str]:
    """The names in `submissions/`, sorted."""
    folder = kit / "submissions"
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.is_dir())
    return sorted(name for name in names if not name.startswith((".", "__")) and name != OUTPUT)


def read_elements(submission: Path, elements: Sequence[str]) -> dict[str, bytes]:
    """The bytes of a submission's files by their names; raises KitError that lists what is missing."""
    missing = [name for name in elements if not (submission / name).is_file()]
    if missing:
        raise KitError(f"{submission} has no {_listed(missing)}. A submission to this challenge consists of {_listed(elements)}.")
    return {name: (submission / name).read_bytes() for name in elements}


def _no_kit(folder: Path, submission: str | None) -> str:
    here = "This folder" if folder == Path.cwd() else str(folder)
    guess = f" Nor is {submission!r} a kit's folder." if submission else ""
    return f"{here} is no kit: it has no problem.py.{guess} Get one with `palio start CHALLENGE`, and name its folder."


def _no_submission(kit: Path) -> str:
    return f"{kit / 'submissions'} holds no submission. Make a folder there with the files of yours."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "nothing"
