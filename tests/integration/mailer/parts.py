"""The mailer's parts without its process: a test moves them, and sees what became of each mail."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import Engine, text

from services.mailer.delivery import Delivery
from services.mailer.outbox import Outbox
from shared.events import MailSent
from shared.ledger import Projection, read_after


@dataclass
class Mailer:
    """The mailer's parts, put together as `services.mailer.main` does, but moved by the test."""

    engine: Engine
    projection: Projection
    outbox: Outbox
    delivery: Delivery

    async def take_in(self) -> None:
        await asyncio.to_thread(self.projection.catch_up)

    async def work(self) -> None:
        """Take in what happened, and send what is due."""
        await self.take_in()
        await self.delivery.send_due()

    def states(self) -> list[tuple[str, str, int]]:
        with self.engine.connect() as connection:
            rows = connection.execute(
                text("SELECT kind, state, attempts FROM mailer.outbox ORDER BY caused_at_position, mail_id")
            )
            return [(row.kind, row.state, row.attempts) for row in rows]

    def let_time_pass(self, interval: str) -> None:
        """As if this much time had gone by: what is waited for, and what is getting old, is nearer by it."""
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE mailer.outbox SET next_attempt_at = next_attempt_at - CAST(:interval AS interval),"
                    " caused_at = caused_at - CAST(:interval AS interval)"
                ),
                {"interval": interval},
            )

    def mails_in_ledger(self) -> list[MailSent]:
        with self.engine.connect() as connection:
            return [event for each in read_after(connection, 0, 1000) if isinstance(event := each.event(), MailSent)]
