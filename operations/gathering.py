"""Gathers the facts, from all parts at once, each within seconds: a part that is down is a fact like any other."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from operations.broker import Depths, ask_broker
from operations.database import FromDatabase, ask_database
from operations.facts import Disk, Facts, Lag, PoolFact, QueueFact, ServiceFact, Silence, Unfinished
from operations.waiting import waits_for
from shared.bus.topology import event_queue
from shared.events import Service
from shared.settings import OperatorSettings

T = TypeVar("T")

HTTP_LIMIT_S = 3.0
_MAX_PAGE_BYTES = 2**20
_FIRST_FAULT = 500


def gather(settings: OperatorSettings) -> Facts:
    """Ask everything, and return what was answered. Never raises for a part that is down."""
    away: dict[str, str] = {}
    urls = {name: str(url).rstrip("/") for name, url in settings.service_urls.items()}
    with ThreadPoolExecutor(len(urls) + 5) as threads:
        services = {name: threads.submit(ask_service, name, url) for name, url in urls.items()}
        database = threads.submit(ask_database, settings.owner_database_url.get_secret_value())
        broker = threads.submit(ask_broker, settings.amqp_url.get_secret_value(), settings.pools)
        store = threads.submit(_ask_store, str(settings.s3_endpoint))
        orchestrator = urls.get(Service.ORCHESTRATOR)
        page = threads.submit(_ask_pools, orchestrator) if orchestrator else None
        silent = threads.submit(_ask_silence, orchestrator) if orchestrator else None
        told = _result("PostgreSQL", database, away)
        depths = _result("RabbitMQ", broker, away) or {}
        _result("object store", store, away)
        pools = (_result("the orchestrator's page /queue", page, away) if page else None) or ()
        silence = _result("the orchestrator's page /silence", silent, away) if silent else None
        answered = tuple(each.result() for each in services.values())
    by_name = {pool.name: pool for pool in pools}
    return Facts(
        services=answered,
        away=away,
        relay=told.lags.get(Service.RELAY) if told else None,
        projections=tuple(lag for name, lag in told.lags.items() if name != Service.RELAY) if told else (),
        queues=tuple(queue_facts(depths, told.lags if told else {})),
        pools=pools,
        unfinished=_unfinished(told, by_name) if told else None,
        silence=silence,
        dead_letters=told.dead_letters if told else None,
        mail_off=told.mail_off if told else None,
        disks=tuple(_disk(path) for path in settings.disk_paths),
    )


def ask_service(name: str, url: str) -> ServiceFact:
    """Whether a service is alive and ready, with its words."""
    try:
        _get(f"{url}/healthz")
    except (OSError, ValueError) as error:
        return ServiceFact(name, alive=False, ready=False, words=_seen(error))
    try:
        status, answer = _get(f"{url}/readyz")
        obstacles = json.loads(answer).get("obstacles", {})
        words = "; ".join(f"{part}: {reason}" for part, reason in obstacles.items())
    except (OSError, ValueError, AttributeError) as error:
        return ServiceFact(name, alive=True, ready=False, words=_seen(error))
    return ServiceFact(name, alive=True, ready=status == 200, words=words or "ready")  # noqa: PLR2004  (OK)


def queue_facts(depths: Depths, lags: Mapping[str, Lag]) -> list[QueueFact]:
    """What is known of each queue. The age is that of what it feeds, as far as that is told; an empty queue is of no age."""
    ages: dict[str, float] = {event_queue(Service(name)): lag.seconds for name, lag in lags.items() if name in set(Service)}
    facts = []
    for queue, depth in depths.items():
        if depth is None:
            continue
        ready, consumers = depth
        # How long a pool's jobs wait is judged with the pool, by another bound.
        age_s = 0.0 if not ready or queue.startswith("trainer.") else ages.get(queue)
        facts.append(QueueFact(queue, ready, consumers, age_s))
    return facts


def _unfinished(told: FromDatabase, pools: Mapping[str, PoolFact]) -> Unfinished | None:
    oldest = told.oldest
    if oldest is None:
        return None
    progress = oldest.progress
    words = waits_for(progress, pools.get(progress.pool))
    return Unfinished(oldest.submission_id, oldest.challenge, progress.state, progress.pool, oldest.age_s, words)


def _ask_pools(url: str) -> tuple[PoolFact, ...]:
    pools: dict[str, dict[str, Any]] = json.loads(_get(f"{url}/queue")[1])["pools"]
    names = ("state", "reason", "backlog", "under_way", "oldest_wait_s", "trainers")
    return tuple(PoolFact(name, **{each: pool[each] for each in names}) for name, pool in sorted(pools.items()))


def _ask_silence(url: str) -> Silence:
    return Silence(**json.loads(_get(f"{url}/silence")[1]))


def _ask_store(url: str) -> None:
    """Any answer but a fault is one: without a key it refuses."""
    status, _ = _get(url)
    if status >= _FIRST_FAULT:
        raise ValueError(f"answers with {status}")


def _get(url: str) -> tuple[int, bytes]:
    """Status and body. Raises `OSError` if nobody answers in time."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"{url} is no HTTP address")
    # No proxy that the environment names: these are our own machines.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=HTTP_LIMIT_S) as answer:
            return int(answer.status), answer.read(_MAX_PAGE_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_MAX_PAGE_BYTES)


def _result(what: str, asked: "Future[T]", away: dict[str, str]) -> T | None:
    try:
        return asked.result()
    except Exception as error:  # noqa: BLE001  (whatever it is, it is what the operator wants to know)
        away[what] = _seen(error)
        return None


def _seen(error: Exception) -> str:
    """What was seen, without what may hold a password: drivers repeat addresses."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, OSError):
        return reason.strerror or type(reason).__name__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    original = getattr(error, "orig", None)
    return type(original or error).__name__


def _disk(path: Path) -> Disk:
    found = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    return Disk(str(path), shutil.disk_usage(found).free)
