"""Puts the mailer together and runs it."""

import asyncio

from services.mailer.delivery import Delivery
from services.mailer.facts import FactFinder
from services.mailer.letters import Letters, domain_of
from services.mailer.outbox import Outbox
from services.mailer.reactions import HANDLERS, SCHEMA
from services.mailer.smtp import MailServer
from shared.artefacts import Store
from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.doorbell import Doorbell
from shared.bus.patience import patiently
from shared.bus.service import run_bus_service
from shared.bus.topology import event_queue
from shared.database import make_engine
from shared.events import Service
from shared.ledger import Projection
from shared.settings import MailerSettings
from shared.telemetry import Readiness, configure_logging


def main() -> None:
    """Mail until SIGTERM."""
    settings = MailerSettings()
    configure_logging("mailer", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "connecting")
    engine = make_engine(settings)
    projection = Projection(SCHEMA, engine, HANDLERS, readiness)

    async def mail() -> None:
        delivery = Delivery(
            Outbox(engine, domain_of(settings.mail_from), settings.mail_timeout_s),
            FactFinder(engine, Store(settings), str(settings.origin).rstrip("/")),
            Letters(),
            MailServer(settings),
            settings.mail_from,
        )
        doorbell = Doorbell(projection, delivery.ring)

        # Before anything is sent: an outbox that is made again learns from MailSent what has been sent already.
        # What a later release recorded is waited for in red, as later on, and not by dying again and again.
        await patiently(doorbell.ring, "catching up")
        async with asyncio.TaskGroup() as tasks:
            # Also while the broker is away.
            tasks.create_task(doorbell.look_every(settings.ledger_look_s))
            tasks.create_task(delivery.run())
            connection = await connect(settings, "mailer")
            async with connection:
                readiness.clear("start")
                await Consumer(connection, event_queue(Service.MAILER), doorbell.handle, readiness).run()

    run_bus_service(settings, readiness, mail)
