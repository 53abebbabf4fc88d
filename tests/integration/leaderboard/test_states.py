"""The state of a submission, as its run goes on, comes back, and is taken back."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from services.leaderboard.projection import HANDLERS
from services.leaderboard.submissions import find_submission
from shared.events import (
    Event,
    Metadata,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TrainingRequested,
    TrainingStarted,
)
from shared.ledger import NewEvent, Projection, append
from shared.runs import run_id_of
from shared.telemetry import Readiness
from tests.support.goldens import golden

METADATA = Metadata(correlation_id="a test")


class Board:
    """A submission on a real ledger, and what the leaderboard makes of it."""

    def __init__(self, engine_of: Callable[[str], Engine]) -> None:
        self._engine_of = engine_of
        for name in ("TeamCreated", "ProblemPublished", "ChallengeCreated"):
            self._append("ingest", golden(name))
        uploaded = golden("SubmissionUploaded")
        team = golden("TeamCreated")
        assert isinstance(uploaded, SubmissionUploaded)
        self.submission_id = uploaded.submission_id
        self._append("ingest", uploaded.model_copy(update={"team_id": team.team_id}))  # type: ignore[attr-defined]  # as its name says

    def state(self) -> str:
        """As readers see it now."""
        Projection("leaderboard", self._engine_of("leaderboard"), HANDLERS, Readiness()).catch_up()
        with self._engine_of("leaderboard").connect() as connection:
            found = find_submission(connection, self.submission_id)
        assert found is not None
        return found.state

    def happens(self, name: str, service: str = "orchestrator", **changes: object) -> None:
        """The golden event of a type, about this submission."""
        about: dict[str, object] = {"run_id": run_id_of(self.submission_id), "submission_id": self.submission_id}
        self._append(service, golden(name).model_copy(update={**about, **changes}))

    def _append(self, service: str, event: Event) -> None:
        with self._engine_of(service).begin() as connection:
            append(connection, [NewEvent(event, METADATA)])


@pytest.fixture
def board(engine_of: Callable[[str], Engine]) -> Board:
    return Board(engine_of)


def test_a_run_that_is_requested_again_does_not_go_back_to_the_queue(board: Board) -> None:
    assert board.state() == "uploaded"
    board.happens(TrainingRequested.__name__, attempt=1)
    assert board.state() == "queued"
    board.happens(TrainingStarted.__name__, execution_id=uuid4(), fold=None)
    assert board.state() == "training"
    board.happens("RequestReturned", attempt=1, fold=None)
    board.happens(TrainingRequested.__name__, attempt=2)
    assert board.state() == "training"


@pytest.mark.parametrize("so_far", [[], ["TrainingRequested"], ["TrainingRequested", "TrainingStarted"]])
def test_what_its_team_took_back_is_withdrawn_for_good(board: Board, so_far: list[str]) -> None:
    for name in so_far:
        board.happens(name)
    board.happens(SubmissionWithdrawn.__name__, "ingest", user_id=UUID(int=1))
    assert board.state() == "withdrawn"
