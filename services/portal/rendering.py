"""From views to HTML. Everything is escaped unless a template says otherwise, and none does.

A name that a template uses and nobody gave is an error (`StrictUndefined`), not an empty place on a page.
"""

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
STATIC = HERE / "static"
NOTHING = "\N{EN DASH}"
MINUTE_S = 60
HOUR_S = 3600
KIBI = 1024
#: A page holds so many rows of a board; a browser draws ten thousand of them slowly.
ROWS_PER_PAGE = 500

PHASES = {
    "announced": "announced: opens later",
    "competitive": "competitive: scores are public, code is private",
    "collaborative": "collaborative: participants read each other's code",
    "closed": "closed",
}
#: How each board is called, in the order of the menu.
BOARDS = {
    "public": "Public",
    "competition": "Competition",
    "private": "Private",
    "private-competition": "Private competition",
    "new": "New",
    "failed": "Failed",
    "mine": "Mine",
}
WHAT_BOARDS_SHOW = {
    "public": "Every scored submission, by its score on validation data.",
    "competition": "Each team's best submission, by its score on validation data.",
    "private": "Every scored submission, by its score on test data.",
    "private-competition": "The submission that stands for each team in the public competition, by its score on test data."
    " Move: how many places it gained.",
    "new": "What waits, runs, or is not scored yet, the oldest first.",
    "failed": "What failed, the newest first. Its own team is told why.",
    "mine": "What your team has handed in, the newest first.",
}
STATES = {
    "uploaded": "uploaded",
    "queued": "queued",
    "training": "training",
    "trained": "trained, waiting for its scores",
    "scored": "scored",
    "failed": "failed",
    "withdrawn": "withdrawn",
}
#: The closed list of outcomes, in words.
OUTCOMES = {
    "trained": "trained",
    "import_error": "The code could not be imported.",
    "train_error": "The code raised an error while training.",
    "predict_error": "The code raised an error while predicting.",
    "bad_predictions": "The predictions do not have the shape or values that this challenge asks for.",
    "time_limit": "The time limit was reached.",
    "memory_limit": "The memory limit was reached.",
    "output_limit": "The limit on written output was reached.",
    "crashed": "The code ended its own process.",
    "withdrawn": "Withdrawn.",
    "kit_error": "The challenge's own code failed. This is not your code's fault, and the organiser has to mend it.",
    "environment_error": "The challenge's environment failed. This is not your code's fault.",
    "system_error": "The platform failed. This is not your code's fault.",
}


def utc(moment: datetime) -> str:
    """`22 November 2026, 14:05 UTC`: readable in every country, unlike 11/22."""
    return f"{moment.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def iso(moment: datetime) -> str:
    """For the `datetime` attribute."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def score(value: float | None, precision: int) -> str:
    """A score as its metric wants it printed; a dash where there is none."""
    return NOTHING if value is None else f"{value:.{max(precision, 0)}f}"


def duration(seconds: float | None) -> str:
    """`0.42 s`, `12.3 s`, `5 min`, `2 min 5 s`, `1 h 2 min`."""
    if seconds is None:
        return NOTHING
    if seconds < 10:  # noqa: PLR2004  (below ten seconds a tenth is too coarse)
        return f"{seconds:.2f} s"
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR_S:
        return _two_units(whole // MINUTE_S, "min", whole % MINUTE_S, "s")
    return _two_units(whole // HOUR_S, "h", whole % HOUR_S // MINUTE_S, "min")


def _two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def size(n_bytes: int | None) -> str:
    """`812 B`, `12.0 kB`, `1.5 GB`: powers of 1024, as limits are set."""
    if n_bytes is None:
        return NOTHING
    amount = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < KIBI:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= KIBI
    return f"{amount:.1f} GB"


def move(places: int | None) -> str:
    """Places gained, with their sign; a dash where there is none."""
    if places is None:
        return NOTHING
    return f"{places:+d}".replace("-", "\N{MINUS SIGN}") if places else "0"


@cache
def static_url(name: str) -> str:
    """Address of one of our own files, with a part of its hash: it may be cached for ever, and a release changes it."""
    return f"/static/{name}?{hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def environment() -> Environment:
    """The templates with their filters."""
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(utc=utc, iso=iso, score=score, duration=duration, size=size, move=move)
    templates.globals.update(static_url=static_url, PHASES=PHASES, STATES=STATES, OUTCOMES=OUTCOMES)
    templates.globals.update(BOARDS=BOARDS, WHAT_BOARDS_SHOW=WHAT_BOARDS_SHOW, ROWS_PER_PAGE=ROWS_PER_PAGE)
    return templates
