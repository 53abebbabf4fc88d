import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.portal.openapi import OWN_PATH, merge, served_by

ORIGIN = "http://127.0.0.1:8700"


def operation(operation_id: str, reference: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": operation_id, "responses": {"200": {"description": "ok"}}}
    if reference:
        found["responses"]["200"]["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{reference}"}}}
    return found


def merged(ingest: dict[str, Any], leaderboard: dict[str, Any]) -> dict[str, Any]:
    return merge({"ingest": ingest, "leaderboard": leaderboard}, title="Palio", version="1", origin=ORIGIN)


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


def test_a_path_that_one_service_writes_and_another_reads_stands_once_with_both_operations() -> None:
    path = "/v1/challenges"
    document = merged({"paths": {path: {"post": operation("create")}}}, {"paths": {path: {"get": operation("list")}}})
    assert document["paths"][path] == {"post": operation("create"), "get": operation("list")}
    assert document["servers"] == [{"url": ORIGIN}]


def test_an_operation_that_the_front_door_sends_elsewhere_is_left_out() -> None:
    ingest = {"paths": {"/v1/me": {"get": operation("me")}, "/v1/users": {"get": operation("never"), "post": operation("new")}}}
    leaderboard = {"paths": {"/v1/me": {"get": operation("not_mine")}, "/healthz": {"get": operation("health")}}}
    paths = merged(ingest, leaderboard)["paths"]
    assert set(paths) == {"/v1/me", "/v1/users", OWN_PATH}
    assert paths["/v1/me"]["get"]["operationId"] == "me"
    assert set(paths["/v1/users"]) == {"post"}


def test_equal_schemas_are_merged_and_different_ones_get_their_services_name() -> None:
    ingest = {
        "paths": {"/v1/users": {"post": operation("a", "Team")}, "/v1/tokens": {"post": operation("b", "Problem")}},
        "components": {"schemas": {"Team": {"type": "string"}, "Problem": {"type": "object"}}},
    }
    leaderboard = {
        "paths": {"/v1/x": {"get": operation("c", "Team")}, "/v1/y": {"get": operation("d", "Problem")}},
        "components": {"schemas": {"Team": {"type": "string"}, "Problem": {"type": "array"}}},
    }
    document = merged(ingest, leaderboard)
    assert document["components"]["schemas"] == {
        "Team": {"type": "string"},
        "IngestProblem": {"type": "object"},
        "LeaderboardProblem": {"type": "array"},
    }
    assert references(document["paths"]["/v1/tokens"]) == {"#/components/schemas/IngestProblem"}
    assert references(document["paths"]["/v1/y"]) == {"#/components/schemas/LeaderboardProblem"}


def test_schemas_that_read_the_same_are_kept_apart_when_what_they_refer_to_differs() -> None:
    outer = {"properties": {"inner": {"$ref": "#/components/schemas/Inner"}}}
    document = merged(
        {"paths": {}, "components": {"schemas": {"Outer": outer, "Inner": {"type": "string"}}}},
        {"paths": {}, "components": {"schemas": {"Outer": outer, "Inner": {"type": "integer"}}}},
    )
    schemas = document["components"]["schemas"]
    assert schemas["IngestOuter"]["properties"]["inner"]["$ref"] == "#/components/schemas/IngestInner"
    assert schemas["LeaderboardOuter"]["properties"]["inner"]["$ref"] == "#/components/schemas/LeaderboardInner"


def test_security_schemes_that_clash_are_renamed_where_they_are_required_too() -> None:
    ingest = {
        "security": [{"token": []}],
        "paths": {"/v1/users": {"post": operation("a")}},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
    leaderboard = {"paths": {}, "components": {"securitySchemes": {"token": {"type": "apiKey"}}}}
    document = merged(ingest, leaderboard)
    assert document["paths"]["/v1/users"]["post"]["security"] == [{"Ingesttoken": []}]
    assert set(document["components"]["securitySchemes"]) == {"Ingesttoken", "Leaderboardtoken"}


def test_parameters_of_a_whole_path_are_said_of_its_own_services_operations_only() -> None:
    parameter = {"name": "id", "in": "path", "required": True}
    path = "/v1/challenges/{id}"
    document = merged(
        {"paths": {path: {"parameters": [parameter], "delete": operation("remove")}}},
        {"paths": {path: {"get": operation("read")}}},
    )
    assert document["paths"][path]["delete"]["parameters"] == [parameter]
    assert "parameters" not in document["paths"][path]["get"]


NAMES = st.sampled_from(["Team", "Metric", "Problem"])
SCHEMAS = st.one_of(
    st.just({"type": "string"}),
    st.just({"type": "integer"}),
    NAMES.map(lambda name: {"items": {"$ref": f"#/components/schemas/{name}"}}),
)
OPERATIONS = st.builds(operation, st.sampled_from(["read", "write", "read_openapi"]), NAMES)
DOCUMENTS = st.builds(
    lambda paths, schemas: {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}},
    st.dictionaries(
        st.sampled_from(["/v1/a", "/v1/b", "/v1/me", OWN_PATH, "/healthz"]),
        st.dictionaries(st.sampled_from(["get", "post", "delete"]), OPERATIONS, max_size=3),
        max_size=4,
    ),
    st.fixed_dictionaries(dict.fromkeys(["Team", "Metric", "Problem"], SCHEMAS)),
)


@given(ingest=DOCUMENTS, leaderboard=DOCUMENTS)
def test_whatever_is_merged_every_reference_resolves_every_operation_id_is_unique_and_the_input_is_untouched(
    ingest: dict[str, Any], leaderboard: dict[str, Any]
) -> None:
    before = copy.deepcopy((ingest, leaderboard))
    document = merged(ingest, leaderboard)
    assert (ingest, leaderboard) == before
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
    ids = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(ids) == len(set(ids))
    for path, item in document["paths"].items():
        for method in item:
            assert served_by(path, method) in {"ingest", "leaderboard", "portal"}
    json.dumps(document)
