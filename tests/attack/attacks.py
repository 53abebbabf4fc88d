"""The attacks in `submissions/` and `kits/`: each says in its own docstring what it tries and how it must end."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_STATEMENT = re.compile(r"^(?:# )?(Outcome|Says|Log|Scores|Submission|Shown): (.+)$", re.MULTILINE)
#: Printed by an attack that got what it wanted.
SUCCESS = b"BROKEN OUT"


@dataclass(frozen=True)
class Attack:
    """A submission that attacks.

    `outcome` is the one of the closed list in which it must end. `says` are words in its reason or traceback, `log` words in its
    log: they show that the attack was really tried. `scores_as_starter`: it goes on as the starter, so it must get the same.
    """

    group: str
    name: str
    files: dict[str, bytes]
    outcome: str
    says: tuple[str, ...]
    log: tuple[str, ...]
    scores_as_starter: bool

    def __str__(self) -> str:
        return f"{self.group}-{self.name}"


def attacks_of(group: str) -> list[Attack]:
    """The attacks in a folder of `submissions/`."""
    return [_attack(group, folder) for folder in sorted((FOLDER / "submissions" / group).iterdir()) if folder.is_dir()]


def _attack(group: str, folder: Path) -> Attack:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    docstring = ast.get_docstring(ast.parse(files["regressor.py"])) or ""
    statements = _STATEMENT.findall(docstring)
    (outcome,) = [words.split(".")[0] for name, words in statements if name == "Outcome"]
    return Attack(
        group=group,
        name=folder.name,
        files=files,
        outcome=outcome,
        says=tuple(words for name, words in statements if name == "Says"),
        log=tuple(words for name, words in statements if name == "Log"),
        scores_as_starter=("Scores", "as the starter") in statements,
    )


@dataclass(frozen=True)
class KitAttack:
    """A kit that attacks: files that are laid over the kit in `kit/`, and `more.py`, which is put at the end of its `problem.py`.

    `outcome` is `prepared`, or the one in which its preparation must end; `says`, words that its organiser reads then, or, if it
    is prepared, of what came of the `submission`, whose outcome that is. `shown` is the folder that it calls free of labels.
    """

    name: str
    files: dict[str, bytes]
    outcome: str
    says: tuple[str, ...]
    submission: str | None
    shown: str | None

    def __str__(self) -> str:
        return self.name


def _kit_attack(folder: Path) -> KitAttack:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    statements = [found for content in files.values() for found in _STATEMENT.findall(content.decode())]
    said = dict(statements)
    return KitAttack(
        name=folder.name,
        files=files,
        outcome=said["Outcome"].split(".")[0],
        says=tuple(words for name, words in statements if name == "Says"),
        submission=said.get("Submission"),
        shown=said.get("Shown"),
    )


GROUPS = tuple(sorted(path.name for path in (FOLDER / "submissions").iterdir() if path.is_dir()))
ATTACKS = [attack for group in GROUPS for attack in attacks_of(group)]
KIT_ATTACKS = [_kit_attack(folder) for folder in sorted((FOLDER / "kits").iterdir()) if folder.is_dir()]
