"""Every setting of every service, in one place; `docs/settings.md` is generated from it.

Settings come from environment variables that begin with `PALIO_`. A service reads its own class at start, once, in its
`main.py`, and hands the values on: no other module reads the environment. Secrets are `SecretStr`, so that no log or
error shows them.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.bus.topology import checked_pool_name

PoolName = Annotated[str, AfterValidator(checked_pool_name)]


class PalioSettings(BaseSettings):
    """Settings from environment variables that begin with `PALIO_`."""

    model_config = SettingsConfigDict(env_prefix="PALIO_", frozen=True, extra="ignore")


class ServiceSettings(PalioSettings):
    """What every service has: its log, and the port of its health, metrics and (for some) API."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log line that is written.")
    http_host: str = Field("127.0.0.1", description="Address that `/healthz`, `/readyz`, `/metrics` and the API listen on.")
    http_port: int = Field(0, description="Port for them; 0 lets the system choose, which the first log line then names.")


class DatabaseSettings(PalioSettings):
    """How a service reaches PostgreSQL: with its own role, never the owner's."""

    database_url: SecretStr = Field(description="`postgresql+psycopg2://ROLE:PASSWORD@HOST/NAME`, the service's own role.")
    slow_query_ms: int = Field(200, ge=0, description="A statement that takes longer, in milliseconds, is logged. 0 logs all.")


class BusSettings(PalioSettings):
    """How a service reaches RabbitMQ: with its own user."""

    amqp_url: SecretStr = Field(description="`amqp://USER:PASSWORD@HOST:PORT/VHOST`, the service's own user.")
    amqp_heartbeat_s: int = Field(6, ge=2, description="Heartbeat in seconds: a frozen peer is noticed after about three.")


class FollowerSettings(PalioSettings):
    """How a service keeps up with the ledger."""

    ledger_look_s: float = Field(
        5.0,
        gt=0,
        description="Seconds after which the ledger is looked at though no message has come: what a lost message delays.",
    )


class StoreSettings(PalioSettings):
    """How a service reaches the object store: with its own key."""

    s3_endpoint: AnyHttpUrl = Field(description="URL of the S3 server, without a bucket.")
    s3_access_key: str = Field(description="The service's own key.")
    s3_secret_key: SecretStr = Field(description="The secret that belongs to the key.")
    s3_region: str = Field("us-east-1", description="Region that requests are signed for.")


class CacheSettings(PalioSettings):
    """Where a service that runs kits keeps environments and prepared data."""

    cache_dir: Path = Field(Path(".palio/cache"), description="Content-addressed cache of environments, kits and prepared data.")
    cache_max_bytes: int = Field(
        20 * 2**30,
        gt=0,
        description="Least recently used entries are evicted above this size, and an environment that is larger is refused."
        " The scorer keeps as much again of what the package index gave, and of predictions for ensembles.",
    )
    standby_sandboxes: int = Field(
        2,
        ge=0,
        description="Sandboxes kept started with a kit's imports done, waiting for work; each holds about 100 MB. 0 turns it off.",
    )


class SandboxSettings(PalioSettings):
    """What holds strangers' code on this host."""

    cgroups: Literal["auto", "off"] = Field(
        "auto",
        description="`auto`: memory, CPU time and processes of sandboxes are counted by control groups where this service may make "
        "some below its own; `off`: always by watching `/proc`.",
    )
    accept_missing_limits: list[str] = Field(
        [],
        description="Limits of sandboxes to do without where this machine does not give them, as a JSON list; without it, the "
        "service refuses to start and names them.",
    )


class PublicSettings(PalioSettings):
    """What the outside world sees."""

    origin: AnyHttpUrl = Field(AnyHttpUrl("http://127.0.0.1:8700"), description="The one origin that browsers and the CLI use.")


class IngestSettings(ServiceSettings, DatabaseSettings, StoreSettings, PublicSettings):
    """The write API."""

    max_upload_bytes: int = Field(200 * 2**20, gt=0, description="Largest request body; refused while it arrives.")
    max_kit_unpacked_bytes: int = Field(2 * 2**30, gt=0, description="Largest kit or private data archive once unpacked.")
    max_source_bytes: int = Field(100_000, gt=0, description="Largest source file of a submission.")
    token_days: int = Field(90, gt=0, description="Days until an API token expires.")
    pools: list[PoolName] = Field(["default"], description="Trainer pools that a challenge may name, as a JSON list.")


class RelaySettings(ServiceSettings, DatabaseSettings, BusSettings):
    """The ledger's way to RabbitMQ."""

    relay_batch: int = Field(500, gt=0, description="Events published before the relay waits for their confirms.")
    relay_poll_s: float = Field(1.0, gt=0, description="Seconds between looks at the ledger when no notification arrives.")


class OrchestratorSettings(ServiceSettings, DatabaseSettings, BusSettings):
    """What runs when, and what became of it."""

    max_attempts: int = Field(3, gt=0, description="Begun attempts of a run before it is given up as `crashed`.")
    lost_after_s: float = Field(
        60,
        gt=0,
        description="Seconds after which a request that no queue and no living trainer holds is made again; three heartbeats of the"
        " pool's trainers at least.",
    )
    overdue_after_s: float = Field(
        900,
        gt=0,
        description="Seconds beyond the time limits of its folds after which a begun attempt is taken from its trainer, which hangs, and"
        " made again. Longer than the object store may be away: uploads wait for it.",
    )
    silence_bound_s: float = Field(
        1_800,
        gt=0,
        description="Seconds for which nothing may account for a submission that is not final; above `PALIO_UNSCORED_AFTER_S` and"
        " `PALIO_LOST_AFTER_S`, which mend most silences. Published as `palio_silence_bound_seconds`, beside the oldest silence.",
    )
    unprepared_after_s: float = Field(
        7_200,
        gt=0,
        description="Seconds after which the scorer is asked again for a published problem of which nothing came; above what it may"
        " take: three times `PALIO_BUILD_TIME_LIMIT_S` and `PALIO_PREPARE_TIME_LIMIT_S`.",
    )
    unscored_after_s: float = Field(
        900,
        gt=0,
        description="Seconds after which the scorer is asked again for a trained run's score; well above `PALIO_SCORE_TIME_LIMIT_S`.",
    )


class TrainerSettings(ServiceSettings, BusSettings, StoreSettings, CacheSettings, SandboxSettings):
    """Runs strangers' code."""

    pool: PoolName = Field("default", description="Pool that this trainer serves.")
    slots: int = Field(2, gt=0, description="Folds that this trainer runs at the same time.")
    slow_fold_s: float = Field(
        1.0,
        ge=0,
        description="If a run's first fold takes longer, in seconds, its others are shared by all trainers of the pool.",
    )
    drain_s: float = Field(
        10.0, ge=0, description="Seconds that a trainer which stops gives the folds it runs; then it hands them back."
    )
    max_jobs: int = Field(0, ge=0, description="Requests after which this trainer stops by itself; 0 for no end.")
    heartbeat_s: float = Field(5.0, gt=0, le=5, description="Seconds between two heartbeats of this trainer.")


class ScorerSettings(
    ServiceSettings, DatabaseSettings, BusSettings, FollowerSettings, StoreSettings, CacheSettings, SandboxSettings
):
    """Prepares problems, builds environments, scores."""

    wheel_dir: Path = Field(Path("dist"), description="Folder with the `palio` wheel that kits' environments get.")
    build_time_limit_s: int = Field(1200, gt=0, description="Seconds that resolving an environment may take, and building it.")
    prepare_time_limit_s: int = Field(600, gt=0, description="Seconds that preparing one problem may take.")
    score_time_limit_s: int = Field(120, gt=0, description="Seconds that scoring one submission may take.")
    ensemble_time_limit_s: int = Field(900, gt=0, description="Seconds that working out one challenge's ensemble may take.")
    ensemble_pause_s: float = Field(
        2.0,
        ge=0,
        description="Seconds from a score to the look at its challenge's ensemble, and between two looks; at least nine times as long as the last took.",
    )


class LeaderboardSettings(ServiceSettings, DatabaseSettings, BusSettings, FollowerSettings, StoreSettings, PublicSettings):
    """The read API."""

    read_wait_s: float = Field(5.0, gt=0, description="Longest that a read with `Palio-Position` waits for the projection.")


class MailerSettings(ServiceSettings, DatabaseSettings, BusSettings, FollowerSettings, StoreSettings, PublicSettings):
    """Which mail an event causes, and its delivery."""

    smtp_host: str = Field("127.0.0.1", description="Mail server.")
    smtp_port: int = Field(25, description="Its port.")
    smtp_user: str = Field("", description="Name to log in with; empty for none.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password to log in with.")
    smtp_security: Literal["none", "starttls", "tls"] = Field("none", description="How the connection is protected.")
    mail_timeout_s: float = Field(
        90,
        gt=0,
        description="Seconds that handing over one mail may take. A mailer that dies while it does leaves the mail alone for twice as long.",
    )
    mail_from: str = Field("Palio <palio@localhost>", description="Sender of every mail.")


class PortalSettings(ServiceSettings, PublicSettings):
    """The web pages."""

    ingest_url: AnyHttpUrl = Field(description="Where the portal reaches the write API.")
    leaderboard_url: AnyHttpUrl = Field(description="Where the portal reaches the read API.")
    wheel_dir: Path = Field(Path("dist"), description="Folder with the `palio` wheel that participants install.")


class OperatorSettings(BusSettings, StoreSettings, PublicSettings):
    """What operators' commands need: every server with all rights, and where each service answers. No service reads this."""

    owner_database_url: SecretStr = Field(description="`postgresql+psycopg2://…`: the database as its owner.")
    service_urls: dict[str, AnyHttpUrl] = Field(
        description="Where each service answers its probes, as JSON: the name, such as `ingest` or `trainer-2`, to the URL."
    )
    pools: list[PoolName] = Field(["default"], description="Trainer pools that a challenge may name, as a JSON list.")
    disk_paths: list[Path] = Field([Path()], description="Folders on the disks whose free space is looked at, as a JSON list.")


ALL_SETTINGS: tuple[type[ServiceSettings], ...] = (
    IngestSettings,
    RelaySettings,
    OrchestratorSettings,
    TrainerSettings,
    ScorerSettings,
    LeaderboardSettings,
    MailerSettings,
    PortalSettings,
)
