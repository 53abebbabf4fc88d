"""What stands on a challenge's boards, and what of it another version of the problem has not scored yet: read from the read model."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from services.scorer.predictions import StoredRun
from services.scorer.scoring import TrainedRun

_CHALLENGE = text("SELECT problem_id, problem_version FROM challenges WHERE challenge_id = :challenge_id")
# Of runs of a submission that several versions scored, the newest run: it was asked for since the others were not good enough. A score
# by the wanted version is one of it or of a newer run; that of an older run is out of date.
_STANDINGS = text(
    "SELECT DISTINCT ON (s.submission_id) s.submission_id, r.run_id, r.number, r.problem_version, r.pool, r.predictions_digests,"
    " r.output_limit_bytes,"
    " EXISTS (SELECT FROM scored w JOIN runs n ON n.run_id = w.run_id WHERE w.submission_id = s.submission_id"
    " AND w.problem_version = :wanted AND n.number >= r.number) AS is_scored,"
    " EXISTS (SELECT FROM not_rescored f WHERE f.run_id = r.run_id AND f.problem_version = :wanted) AS has_failed"
    " FROM submissions s JOIN scored c ON c.submission_id = s.submission_id JOIN runs r ON r.run_id = c.run_id"
    " WHERE s.challenge_id = :challenge_id AND c.problem_version BETWEEN :first AND :last"
    " ORDER BY s.submission_id, r.number DESC"
)
_POSITION = text("SELECT position FROM checkpoint")
_NEWER_RUNS = text("SELECT run_id FROM runs WHERE submission_id = :submission_id AND number > :number")


@dataclass(frozen=True)
class Standing:
    """A submission that is scored, and how it is with another version: scored by it, not to be scored by it, or neither yet."""

    run: TrainedRun
    number: int
    #: The version of the problem whose data the run was trained on.
    trained_on: int
    is_scored: bool
    has_failed: bool

    @property
    def lags(self) -> bool:
        """Whether the version has said nothing of it yet."""
        return not self.is_scored and not self.has_failed


@dataclass(frozen=True)
class Standings:
    """All of a challenge, as the read model stood at a ledger position, or a little later."""

    position: int
    submissions: tuple[Standing, ...]

    @property
    def n_scored(self) -> int:
        """That have a score by the version."""
        return sum(each.is_scored for each in self.submissions)

    @property
    def lagging(self) -> tuple[Standing, ...]:
        """Of which the version has said nothing yet."""
        return tuple(each for each in self.submissions if each.lags)

    @property
    def n_failed(self) -> int:
        """That it could not score."""
        return len(self.submissions) - self.n_scored - len(self.lagging)


def find_version(connection: Connection, challenge_id: str) -> tuple[str, int] | None:
    """Which problem a challenge is on, and by which version of it its boards are; None for a challenge that is not known."""
    row = connection.execute(_CHALLENGE, {"challenge_id": challenge_id}).one_or_none()
    return None if row is None else (row.problem_id, row.problem_version)


def read_standings(connection: Connection, challenge_id: str, scored_by: range, wanted: int) -> Standings:
    """The submissions that one of the versions `scored_by` has scored, and how they are with version `wanted`."""
    position = int(connection.execute(_POSITION).scalar_one())
    values = {"challenge_id": challenge_id, "first": scored_by.start, "last": scored_by.stop - 1, "wanted": wanted}
    return Standings(
        position,
        tuple(
            Standing(
                TrainedRun(
                    StoredRun(row.run_id, row.pool, tuple(row.predictions_digests), row.output_limit_bytes),
                    row.submission_id,
                    challenge_id,
                ),
                row.number,
                row.problem_version,
                row.is_scored,
                row.has_failed,
            )
            for row in connection.execute(_STANDINGS, values)
        ),
    )


def newer_runs(connection: Connection, standing: Standing) -> Sequence[UUID]:
    """Later runs of the same submission, by whatever version."""
    values = {"submission_id": standing.run.submission_id, "number": standing.number}
    return connection.execute(_NEWER_RUNS, values).scalars().all()
