"""What a service keeps of the ledger: which schema, made how, and what of it is not from the ledger.

Services name theirs as entry points of the group `palio.read_models`, so that operators' commands find all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from shared.ledger.projection import Handlers

GROUP = "palio.read_models"


@dataclass(frozen=True)
class OwnColumns:
    """Columns that a service writes beside its handlers, such as how often a mail was tried, and the table's key."""

    key: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class ReadModel:
    """A schema made from the ledger. The service's migrations, in `migrations`, make its tables, in whatever schema."""

    schema: str
    migrations: Path
    handlers: Handlers
    #: By table. A rebuild keeps their values; a comparison leaves them out.
    own_columns: Mapping[str, OwnColumns] = field(default_factory=dict)
    #: Tables that the ledger knows nothing of: kept, and left out, as a whole.
    own_tables: frozenset[str] = frozenset()
    #: Whether it follows the ledger from a checkpoint. Else its rows are written in the transaction that appends the event.
    follows: bool = True


def read_models() -> dict[str, ReadModel]:
    """The read models of all services that are installed, by name."""
    found = {entry.name: entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}
    for name, model in found.items():
        if not isinstance(model, ReadModel):
            raise TypeError(f"the entry point {name} of {GROUP} is no read model")
    return found
