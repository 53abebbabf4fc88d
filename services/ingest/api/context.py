"""What the routes share."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from services.ingest.submissions import SubmissionDesk
from shared.artefacts import Store
from shared.http.identity import Credentials, optional_principal, require, require_administrator
from shared.settings import IngestSettings
from shared.vault import Principal

POSITION_HEADER = "Palio-Position"


@dataclass(frozen=True)
class Context:
    """The parts that `main` built."""

    settings: IngestSettings
    engine: Engine
    store: Store
    submissions: SubmissionDesk

    @property
    def person(self) -> Callable[[Credentials], Principal]:
        """A dependency: the person asking; 401 without a token."""
        principal = optional_principal(self.engine)

        def dependency(credentials: Credentials) -> Principal:
            return require(principal(credentials))

        return dependency

    @property
    def administrator(self) -> Callable[[Credentials], Principal]:
        """A dependency: the administrator asking; 401 or 403 otherwise."""
        principal = optional_principal(self.engine)

        def dependency(credentials: Credentials) -> Principal:
            return require_administrator(principal(credentials))

        return dependency
