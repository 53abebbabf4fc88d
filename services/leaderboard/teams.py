"""Teams: their names, unsealed where a name is a person's, and who belongs to them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection, text

from shared.vault import unseal_all


def team_names(connection: Connection, team_ids: Collection[UUID]) -> dict[UUID, str]:
    """The name of each team; that of an erased person reads `(erased)`."""
    rows = connection.execute(
        text("SELECT team_id, name, sealed_for FROM teams WHERE team_id = ANY(CAST(:ids AS uuid[]))"),
        {"ids": [str(team_id) for team_id in team_ids]},
    ).all()
    sealed = [row for row in rows if row.sealed_for is not None]
    opened = unseal_all(connection, [(row.sealed_for, row.name) for row in sealed])
    names = {row.team_id: row.name for row in rows}
    return names | {row.team_id: name for row, name in zip(sealed, opened, strict=True)}


def teams_of(connection: Connection, user_id: UUID) -> frozenset[UUID]:
    """The teams that a person belongs to."""
    statement = text("SELECT team_id FROM members WHERE user_id = :user_id")
    return frozenset(connection.execute(statement, {"user_id": user_id}).scalars())
