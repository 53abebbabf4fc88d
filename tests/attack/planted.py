"""What must not leak, planted where it belongs, and the search for it wherever a stranger may look."""

import random
import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.reading import everything_in

N_TRAIN, N_TEST, N_FOLDS = 60, 30, 2
#: Digits that tell a label from all others, and survive rounding for a person's eyes.
_TELLING_DIGITS = 12


def canary() -> str:
    """A word that is nowhere by chance."""
    return f"canary-{secrets.token_hex(8)}"


def rows(n_rows: int) -> list[tuple[float, float, float]]:
    """Two features and a label of about seven million each, others for each `n_rows` and the same in every session.

    Of such a size, since a memory can be searched for them.
    """
    numbers = random.Random(n_rows)
    features = [(numbers.uniform(-1, 1), numbers.uniform(-1, 1)) for _ in range(n_rows)]
    return [(a, b, 7e6 + 1e4 * a + numbers.uniform(0, 1e3)) for a, b in features]


def as_csv(table: Sequence[tuple[float, float, float]], note: str) -> bytes:
    """The rows as the kit reads them, each after a note that it leaves out."""
    return "".join(f"{note},{a!r},{b!r},{label!r}\n" for a, b, label in table).encode()


@dataclass(frozen=True)
class Planted:
    """The secrets of a problem and of a platform. `canaries` are texts by what they are; more may be added."""

    train: tuple[tuple[float, float, float], ...] = tuple(rows(N_TRAIN))
    test: tuple[tuple[float, float, float], ...] = tuple(rows(N_TEST))
    canaries: dict[str, str] = field(default_factory=lambda: {"raw data": canary(), "a private file": canary()})

    def write_data(self, kit: Path) -> None:
        """The kit's data: a private part with the canaries, and a public one without."""
        (kit / "data/public").mkdir(parents=True)
        (kit / "data/notes.txt").write_text(self.canaries["a private file"])
        for name, private in (("train.csv", self.train), ("test.csv", self.test)):
            (kit / "data" / name).write_bytes(as_csv(private, self.canaries["raw data"]))
            (kit / "data/public" / name).write_bytes(as_csv(rows(4), "public"))

    def found_in(self, content: bytes, fold: int | None) -> list[str]:
        """What of it is in these bytes. `fold` is the fold that made them, which may know its own training labels; None: unknown."""
        hidden = [label for *_, label in self.test]
        if fold is not None:
            hidden += [label for row, (*_, label) in enumerate(self.train) if row % N_FOLDS == fold]
        found = []
        for part in everything_in(content):
            found += [what for what, text in self.canaries.items() if text.encode() in part]
            found += [f"the label {label!r}" for label in hidden if any(form in part for form in _forms(label))]
        return found


def _forms(label: float) -> Iterator[bytes]:
    """How a label shows: as digits, and as it is in memory."""
    yield repr(label)[:_TELLING_DIGITS].encode()
    yield struct.pack("<d", label)
    yield struct.pack(">d", label)
