import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyHttpUrl
from starlette.datastructures import Headers

from services.portal.main import build_app
from services.portal.protection import MAX_BODY_BYTES, comes_from_our_pages
from services.portal.sessions import Cookies, local_path
from shared.settings import PortalSettings

ORIGIN = "http://front:8700"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def nobody() -> AnyHttpUrl:
    """An address where nothing listens: what a service that is down looks like."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return AnyHttpUrl(f"http://127.0.0.1:{probe.getsockname()[1]}")


@pytest.fixture
def settings(nobody: AnyHttpUrl, tmp_path: Path) -> PortalSettings:
    return PortalSettings(origin=AnyHttpUrl(ORIGIN), ingest_url=nobody, leaderboard_url=nobody, wheel_dir=tmp_path)


@pytest.fixture
async def client(settings: PortalSettings) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            yield client


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site", "origin": ORIGIN}, False),
        ({"sec-fetch-site": "same-site", "origin": ORIGIN}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": ORIGIN}, True),
        ({"origin": "http://other:8700", "host": "other:8700"}, True),
        ({"origin": "http://evil", "host": "front:8700"}, False),
        ({"origin": "null", "host": "front:8700"}, False),
        ({"host": "front:8700"}, False),
    ],
)
def test_a_form_counts_only_from_our_own_pages(headers: dict[str, str], *, ours: bool) -> None:
    assert comes_from_our_pages(Headers(headers), ORIGIN) is ours


async def test_a_form_from_elsewhere_is_refused_and_carries_out_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/logout", headers={"Origin": "http://evil"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_logging_out_takes_the_cookie_away(client: httpx.AsyncClient) -> None:
    answer = await client.post("/logout", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_a_body_above_the_bound_is_refused_even_if_its_length_is_not_told(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1000 + 1):
            yield b"x" * 1000

    answer = await client.post("/login", headers={"Origin": ORIGIN, **FORM}, content=pieces())
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/", "/challenges/iris", "/nowhere", "/login", "/static/live.js", "/v1/openapi.json"])
async def test_every_answer_carries_the_policy_that_stops_scripts_in_the_page(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_service_that_is_down_becomes_a_page_in_words(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert "Submissions that were accepted are safe" in answer.text
    assert "127.0.0.1" not in answer.text


async def test_the_description_of_the_api_without_the_services_is_a_problem_document(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/openapi.json")
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/challenges/NO", "/challenges/a%2fb", "/submissions/7", "/challenges/x%0ay", "/packages/x", "/submissions/../x"]
)
async def test_an_address_that_can_mean_nothing_is_a_page_that_says_so(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert "All challenges" in answer.text


async def test_the_form_that_joins_leads_a_stranger_to_the_login(client: httpx.AsyncClient) -> None:
    answer = await client.post("/challenges/iris/join", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/challenges/iris")


async def test_the_login_page_stands_while_the_services_are_down_also_for_somebody_logged_in(client: httpx.AsyncClient) -> None:
    answer = await client.get("/login", headers={"Cookie": "palio_token=abc"})
    assert answer.status_code == 200
    assert "Log out" in answer.text
    assert "set-cookie" not in answer.headers


async def test_the_probes_answer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200
    assert "process_cpu_seconds_total" in (await client.get("/metrics")).text


@pytest.mark.parametrize("path", ["/logout", "/challenges/iris/join"])
async def test_what_changes_something_can_not_be_asked_for_with_a_link(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 405
    assert "set-cookie" not in answer.headers


@given(
    wanted=st.one_of(
        st.text(), st.from_regex(r"[/\\]{1,3}[a-z.@:]*", fullmatch=True), st.sampled_from(["//evil", "/\\evil", "/\t/evil"])
    )
)
def test_after_the_login_a_visitor_stays_on_this_origin(wanted: str) -> None:
    path = local_path(wanted)
    # A browser reads a backslash as a slash and drops tabs and line ends before it looks.
    seen = path.replace("\\", "/").translate({ord(blank): None for blank in "\t\r\n"})
    assert urlsplit(urljoin(ORIGIN + "/login", seen)).netloc == "front:8700"


def test_a_path_of_ours_is_kept_after_the_login() -> None:
    assert local_path("/challenges/iris?x=1") == "/challenges/iris?x=1"


def test_over_https_the_cookie_is_bound_to_this_host() -> None:
    assert Cookies(secure=True).name.startswith("__Host-")
