"""One OpenAPI document out of those of the services behind the front door.

Pure: documents in, document out. `services.portal.published` fetches and serves.
"""

import copy
from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

#: What FastAPI writes, in every service.
OPENAPI_VERSION = "3.1.0"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
READ_METHODS = frozenset({"get", "head"})
PREFIX = "/v1/"
OWN_PATH = "/v1/openapi.json"
#: Reads that the write API answers: who I am is its knowledge.
READS_OF_INGEST = frozenset({"/v1/me"})
#: The one operation under `/v1/` that the portal itself answers.
OWN_PATH_ITEM: dict[str, Any] = {
    "get": {
        "operationId": "read_openapi",
        "summary": "This document",
        "responses": {"200": {"description": "OpenAPI", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }
}


def served_by(path: str, method: str) -> str:
    """The service that the front door sends a request under `/v1/` to; the Caddyfile says the same."""
    if path == OWN_PATH:
        return "portal"
    if method in READ_METHODS and path not in READS_OF_INGEST:
        return "leaderboard"
    return "ingest"


def merge(documents: Mapping[str, Document], *, title: str, version: str, origin: str) -> Document:
    """One document for `documents` (by service name), holding only what the front door sends to each service.

    Components that are equal in all documents stand once; those that share a name and differ get their service's name in
    front. Operation ids are made unique the same way. The input is not changed.
    """
    clashing = _clashing_components(documents)
    own = {service: _with_own_names(documents[service], service, clashing) for service in sorted(documents)}
    components: dict[str, dict[str, Any]] = {}
    tags: dict[str, Any] = {}
    for document in own.values():
        for tag in document.get("tags", []):
            tags.setdefault(tag["name"], tag)
        for kind, named in document.get("components", {}).items():
            components.setdefault(kind, {}).update(named)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": title, "version": version},
        "servers": [{"url": origin}],
        "paths": _merged_paths(own),
        "components": {kind: dict(sorted(named.items())) for kind, named in sorted(components.items())},
        "tags": list(tags.values()),
    }


def _merged_paths(documents: Mapping[str, Document]) -> dict[str, Any]:
    """Every path under the prefix, with the operations that reach the service which describes them."""
    paths: dict[str, Any] = {OWN_PATH: OWN_PATH_ITEM}
    taken_ids = {OWN_PATH_ITEM["get"]["operationId"]}
    for service, document in documents.items():
        for path, item in document.get("paths", {}).items():
            operations = {method: item[method] for method in METHODS if method in item and served_by(path, method) == service}
            if not path.startswith(PREFIX) or not operations:
                continue
            for operation in operations.values():
                _give_unique_id(operation, service, taken_ids)
                if "security" in document:
                    operation.setdefault("security", document["security"])
            _share_parameters(item.get("parameters", []), operations)
            paths.setdefault(path, {}).update(operations)
    return dict(sorted(paths.items()))


def _share_parameters(parameters: list[dict[str, Any]], operations: Mapping[str, dict[str, Any]]) -> None:
    """Say of each operation what its document said of the whole path: the other service's operations on it are not meant."""
    for operation in operations.values():
        own = {(given.get("name"), given.get("in")) for given in operation.get("parameters", [])}
        inherited = [given for given in parameters if (given.get("name"), given.get("in")) not in own]
        if inherited:
            operation["parameters"] = [*inherited, *operation.get("parameters", [])]


def _give_unique_id(operation: dict[str, Any], service: str, taken: set[str]) -> None:
    """Keep an operation's id if it is free, else put the service's name in front. The first service by name keeps its own."""
    if "operationId" not in operation:
        return
    operation_id = operation["operationId"]
    while operation_id in taken:
        operation_id = f"{service}_{operation_id}"
    taken.add(operation_id)
    operation["operationId"] = operation_id


def _clashing_components(documents: Mapping[str, Document]) -> set[tuple[str, str]]:
    """(kind, name) of components that mean different things in different documents.

    Two that read the same still differ if something they refer to does; hence round after round until nothing is added.
    """
    by_name: dict[tuple[str, str], list[Any]] = {}
    for document in documents.values():
        for kind, named in document.get("components", {}).items():
            for name, content in named.items():
                by_name.setdefault((kind, name), []).append(content)
    shared = {key: contents for key, contents in by_name.items() if len(contents) > 1}
    clashing = {key for key, contents in shared.items() if any(content != contents[0] for content in contents)}
    while True:
        drawn_in = {key for key, contents in shared.items() if key not in clashing and _references(contents[0]) & clashing}
        if not drawn_in:
            return clashing
        clashing |= drawn_in


def _references(node: Any) -> set[tuple[str, str]]:
    """(kind, name) of every component that a part of a document refers to."""
    found: set[tuple[str, str]] = set()
    if isinstance(node, dict):
        for value in node.values():
            found |= _references(value)
    elif isinstance(node, list):
        for value in node:
            found |= _references(value)
    elif isinstance(node, str) and (reference := _component(node)):
        found.add(reference)
    return found


def _component(text: str) -> tuple[str, str] | None:
    """(kind, name) if a text is a reference to a component: `$ref` values, and those in a discriminator's mapping."""
    parts = text.split("/")
    if len(parts) == 4 and parts[:2] == ["#", "components"]:  # noqa: PLR2004  (`#/components/<kind>/<name>`)
        return parts[2], parts[3]
    return None


def _with_own_names(document: Document, service: str, clashing: set[tuple[str, str]]) -> Document:
    """A copy in which every clashing component, and each reference to it, has the service's name in front."""

    def own(kind: str, name: str) -> str:
        return f"{service.capitalize()}{name}" if (kind, name) in clashing else name

    def renamed(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: requirements(value) if key == "security" else renamed(value) for key, value in node.items()}
        if isinstance(node, list):
            return [renamed(value) for value in node]
        if isinstance(node, str) and (reference := _component(node)):
            return f"#/components/{reference[0]}/{own(*reference)}"
        return node

    def requirements(alternatives: Any) -> Any:
        """Security requirements name their schemes bare, without a reference."""
        if not isinstance(alternatives, list):
            return renamed(alternatives)
        return [{own("securitySchemes", name): scopes for name, scopes in one.items()} for one in alternatives]

    result: Document = renamed(copy.deepcopy(document))
    for kind, named in result.get("components", {}).items():
        result["components"][kind] = {own(kind, name): content for name, content in named.items()}
    return result
