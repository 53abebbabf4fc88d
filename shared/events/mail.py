"""Mail: what was sent, to whom (by id, never by address), because of what."""

from uuid import UUID

from shared.events.base import Event, Service, services


class MailSent(Event):
    """A mail server took a mail."""

    appended_by = services(Service.MAILER)
    consumed_by = services()

    mail_id: UUID
    #: Name of the template, such as `scored`.
    kind: str
    user_id: UUID
    #: The event that caused it.
    caused_by: UUID
    message_id: str

    @property
    def stream(self) -> str:
        return f"mail-{self.mail_id}"
