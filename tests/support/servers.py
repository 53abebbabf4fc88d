"""The servers that integration tests use, wherever they come from: local ones, given ones, or containers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import URL, make_url

from deploy.local.stack import Stack
from shared.migrations.roles import role_of
from shared.settings import StoreSettings

POOLS = ("default",)


@dataclass(frozen=True)
class Servers:
    """How to reach PostgreSQL, RabbitMQ, an S3 server and a mail server. Definitions and keys are set up; databases are not."""

    #: A superuser's, for a database that is not used itself.
    superuser_url: URL
    #: Passwords that the services' database roles are given, by service.
    database_passwords: Mapping[str, str]
    #: By broker user.
    amqp_urls: Mapping[str, str]
    s3_endpoint: str
    #: By key: the services', `trainer-default`, and `operator`, who may do everything.
    s3_secrets: Mapping[str, str]
    smtp_port: int
    #: A Maildir with what the mail server got.
    mail_folder: Path

    def owner_url(self, database: str) -> str:
        """URL of a database for its owner."""
        return self.superuser_url.set(database=database).render_as_string(hide_password=False)

    def database_url(self, service: str, database: str) -> str:
        """URL of a database for a service's role."""
        url = self.superuser_url.set(username=role_of(service), password=self.database_passwords[service], database=database)
        return url.render_as_string(hide_password=False)

    def store_settings(self, key: str) -> StoreSettings:
        """How the owner of a key reaches the object store."""
        secret = SecretStr(self.s3_secrets[key])
        return StoreSettings.model_validate({"s3_endpoint": self.s3_endpoint, "s3_access_key": key, "s3_secret_key": secret})


def local_servers(stack: Stack) -> Servers:
    """The servers of a stack that runs."""
    return Servers(
        superuser_url=make_url(stack.postgres.owner_url("postgres")),
        database_passwords=stack.credentials.database(),
        amqp_urls={user: stack.rabbitmq.url(user) for user in stack.credentials.broker(POOLS)},
        s3_endpoint=stack.seaweedfs.endpoint(),
        s3_secrets=stack.credentials.store(POOLS),
        smtp_port=stack.smtp_port,
        mail_folder=stack.mail_folder,
    )
