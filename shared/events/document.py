"""Makes `docs/events.md` from the event types: `python -m shared.events.document > docs/events.md`."""

import inspect
import json
import sys
from collections.abc import Iterable, Iterator

from shared.events import EVENT_TYPES, Event

INTRODUCTION = """\
# Events

Made by `script/docs` from `shared/events/`; a test fails when it is out of date.

On the bus an event is CloudEvents 1.0 in structured JSON, with `position` and `epoch` (its place in the ledger),
`correlationid`, `causationid`, `actorid` and `traceparent`. In the ledger, `data` and the metadata are text.
`?` marks a field that may be null.
"""


def document() -> str:
    """The page: every event type with who appends it, who hears of it, its stream and its fields."""
    lines = [INTRODUCTION, "| event | appended by | heard by |", "| --- | --- | --- |"]
    lines += [
        f"| [{name}](#{name.lower()}) | {_names(event_type.appended_by)} | {_names(event_type.consumed_by)} |"
        for name, event_type in sorted(EVENT_TYPES.items())
    ]
    for name, event_type in sorted(EVENT_TYPES.items()):
        lines += ["", *_section(name, event_type)]
    return "\n".join(lines) + "\n"


def _section(name: str, event_type: type[Event]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield f"{inspect.getdoc(event_type)} Version {event_type.schema_version}."
    yield ""
    yield "| field | type |"
    yield "| --- | --- |"
    schema = event_type.model_json_schema()
    for field, described in schema["properties"].items():
        yield f"| `{field}` | {_type(described, schema.get('$defs', {}))} |"


def _type(described: dict[str, object], definitions: dict[str, dict[str, object]]) -> str:  # noqa: PLR0911  (one a form of JSON schema)
    """A field's JSON type in a few words."""
    match described:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            definition = definitions[name]
            if "enum" in definition:
                return " \\| ".join(f"`{value}`" for value in _listed(definition["enum"]))
            fields = definition.get("properties")
            return f"{name} {{{', '.join(fields)}}}" if isinstance(fields, dict) else name
        case {"anyOf": options}:
            kinds = [each for each in _listed(options) if each != {"type": "null"}]
            return f"{' or '.join(_type(each, definitions) for each in kinds)} ?"
        case {"enum": values}:
            return " \\| ".join(f"`{json.dumps(value)}`" for value in _listed(values))
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items, definitions)}"
        case {"format": str(kind)}:
            return kind
        case {"type": str(kind)}:
            return kind
        case _:
            return "any"


def _listed(value: object) -> list[dict[str, object]]:
    return list(value) if isinstance(value, list) else []


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"


if __name__ == "__main__":
    sys.stdout.write(document())
