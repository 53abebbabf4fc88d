"""What a service does about its own tables when a backup is restored, in the restore's transaction.

Services name it as an entry point of the group `palio.restored`, under the name of their schema.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

GROUP = "palio.restored"


@dataclass(frozen=True)
class Restored:
    """What was restored."""

    made_at: datetime
    position: int
    #: Whether mails may leave.
    mail: bool


#: Statements may name no schema: the connection's `search_path` is the service's. Returns a sentence for the operator.
WhenRestored = Callable[[Connection, Restored], str]
