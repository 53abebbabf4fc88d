"""Which bounds are broken. Pure: from facts and bounds to words; each bound has a section in docs/runbook.md of its name."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from operations.facts import Facts

GIB = 2**30


@dataclass(frozen=True)
class Bounds:
    """What is taken for normal. Names end in their unit."""

    relay_lag_s: float = field(
        default=10, metadata={"meaning": "Age of the oldest event that is not published. A standby takes over within 5 s."}
    )
    projection_lag_s: float = field(
        default=30,
        metadata={"meaning": "Age of the oldest event that a read model has not taken in. A rebuilt one takes longer."},
    )
    queue_age_s: float = field(
        default=60, metadata={"meaning": "Age of the oldest message of a service's queue, where it is known."}
    )
    queue_depth: float = field(
        default=1000,
        metadata={"meaning": "Messages that nobody has taken, of a queue whose age is not known. A busy hour's scores."},
    )
    pool_wait_s: float = field(
        default=3600,
        metadata={"meaning": "Wait of the oldest job of an open pool. Participants watch; longer asks for more trainers."},
    )
    unfinished_age_s: float = field(
        default=21_600,
        metadata={"meaning": "Age of the oldest submission without a final state. Twice the longest that most challenges train."},
    )
    dead_letters: float = field(
        default=0,
        metadata={"meaning": "Dead letters that are kept. Each is a defect, a fault or a lie that somebody should see."},
    )
    free_disk_gib: float = field(
        default=5,
        metadata={"meaning": "Least free space. An environment needs up to 3, and RabbitMQ takes nothing more below 0.5."},
    )


@dataclass(frozen=True)
class Breach:
    """A bound that is broken, by its section in docs/runbook.md, and how."""

    bound: str
    words: str


def broken_bounds(facts: Facts, bounds: Bounds) -> list[Breach]:
    """Every bound that is broken; empty if all is well."""
    return [Breach(name, words) for part in _PARTS for name, words in part(facts, bounds)]


def _servers(facts: Facts, _bounds: Bounds) -> Iterator[tuple[str, str]]:
    for name, words in facts.away.items():
        yield "server-away", f"{name}: {words}"


def _services(facts: Facts, _bounds: Bounds) -> Iterator[tuple[str, str]]:
    for service in facts.services:
        if not service.alive:
            yield "service-away", f"{service.name} does not answer: {service.words}"
        elif not service.ready:
            yield "service-not-ready", f"{service.name}: {service.words}"


def _lags(facts: Facts, bounds: Bounds) -> Iterator[tuple[str, str]]:
    relay = facts.relay
    if relay and relay.seconds > bounds.relay_lag_s:
        yield "relay-lag", f"{relay.events:,} events are not published, the oldest for {relay.seconds:.0f} s"
    for lag in facts.projections:
        if lag.seconds > bounds.projection_lag_s:
            yield "projection-lag", f"{lag.name} has not taken in {lag.events:,} events, the oldest for {lag.seconds:.0f} s"


def _queues(facts: Facts, bounds: Bounds) -> Iterator[tuple[str, str]]:
    for queue in facts.queues:
        if queue.age_s is not None and queue.age_s > bounds.queue_age_s:
            yield "queue-age", f"{queue.name} holds {queue.ready:,} messages, the oldest for {queue.age_s:.0f} s"
        elif queue.age_s is None and (queue.ready > bounds.queue_depth or (queue.ready and not queue.consumers)):
            yield "queue-depth", f"{queue.name} holds {queue.ready:,} messages, with {queue.consumers} consumers"


def _pools(facts: Facts, bounds: Bounds) -> Iterator[tuple[str, str]]:
    for pool in facts.pools:
        if pool.state != "open":
            # Somebody decided so; it is shown, and is no fault.
            continue
        if pool.backlog and not pool.trainers:
            yield "no-trainers", f"{pool.backlog:,} jobs wait in pool {pool.name}, in which no trainer lives"
        if pool.oldest_wait_s > bounds.pool_wait_s:
            yield (
                "pool-wait",
                f"the oldest of {pool.backlog:,} jobs in pool {pool.name} has waited for {pool.oldest_wait_s:.0f} s",
            )


def _unfinished(facts: Facts, bounds: Bounds) -> Iterator[tuple[str, str]]:
    found = facts.unfinished
    if found and found.age_s > bounds.unfinished_age_s:
        yield (
            "unfinished-age",
            f"{found.submission_id} is {found.state} after {found.age_s:.0f} s; it waits for {found.waits_for}",
        )


def _silence(facts: Facts, _bounds: Bounds) -> Iterator[tuple[str, str]]:
    # Its bound is the platform's own setting, which it publishes.
    found = facts.silence
    if found and found.oldest_s > found.bound_s:
        words = f"for {found.oldest_s:.0f} s, and {found.bound_s:.0f} s are promised; it waits for {found.waits_for}"
        yield "silence", f"nothing has accounted for {found.submission_id} {words}"


def _dead_letters(facts: Facts, bounds: Bounds) -> Iterator[tuple[str, str]]:
    found = facts.dead_letters
    if found and found.number > bounds.dead_letters:
        queues = ", ".join(f"{number:,} of {queue}" for queue, number in sorted(found.by_queue.items()))
        yield "dead-letters", f"{found.number:,} are kept: {queues}"


def _disks(facts: Facts, bounds: Bounds) -> Iterator[tuple[str, str]]:
    for disk in facts.disks:
        if disk.free_bytes < bounds.free_disk_gib * GIB:
            yield "free-disk", f"{disk.path} has {disk.free_bytes / GIB:.1f} GiB free"


_PARTS = (_servers, _services, _lags, _queues, _pools, _unfinished, _silence, _dead_letters, _disks)
#: Every bound that can be broken.
BOUNDS = (
    "server-away",
    "service-away",
    "service-not-ready",
    "relay-lag",
    "projection-lag",
    "queue-age",
    "queue-depth",
    "no-trainers",
    "pool-wait",
    "unfinished-age",
    "silence",
    "dead-letters",
    "free-disk",
)
