"""The golden events, for tests that want a plausible one."""

from pathlib import Path

from shared.events import EVENT_TYPES, Event

GOLDEN = Path(__file__).parents[1] / "golden/events"


def golden(name: str) -> Event:
    """The golden event of a type, in its newest version."""
    newest = EVENT_TYPES[name].schema_version
    return EVENT_TYPES[name].model_validate_json((GOLDEN / f"{name}.v{newest}.json").read_text())
