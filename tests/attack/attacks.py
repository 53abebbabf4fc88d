"""The attacks in `submissions/` and `kits/`: each says in its own docstring what it tries and how it must end."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_STATEMENT = re.compile(r"^(Outcome|Says|Log|Scores): (.+)$", re.MULTILINE)
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


GROUPS = tuple(sorted(path.name for path in (FOLDER / "submissions").iterdir() if path.is_dir()))
ATTACKS = [attack for group in GROUPS for attack in attacks_of(group)]
