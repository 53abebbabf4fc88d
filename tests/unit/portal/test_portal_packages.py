import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from services.portal.packages import WheelFolder, package_routes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "palio-0.9.0-py3-none-any.whl").write_bytes(b"old")
    (folder / "palio-0.10.0-py3-none-any.whl").write_bytes(b"new")
    (folder / "palio-0.10.0.tar.gz").write_bytes(b"no wheel")
    (folder / "notes.txt").write_text("secret")
    (folder / "no-wheel.whl").write_text("secret")
    (folder / "linked-1.0-py3-none-any.whl").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(package_routes(WheelFolder(folder)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://front") as client:
        yield client


async def test_the_index_lists_each_wheel_with_its_hash(client: httpx.AsyncClient) -> None:
    page = (await client.get("/packages/simple/palio/")).text
    digest = hashlib.sha256(b"new").hexdigest()
    assert f'<a href="/packages/palio-0.10.0-py3-none-any.whl#sha256={digest}">palio-0.10.0-py3-none-any.whl</a>' in page
    assert page.count("<a ") == 2
    assert '<a href="/packages/simple/palio/">palio</a>' in (await client.get("/packages/simple/")).text


async def test_a_project_is_found_under_every_spelling_that_means_the_same(client: httpx.AsyncClient) -> None:
    assert (await client.get("/packages/simple/PALIO/")).status_code == 200
    assert (await client.get("/packages/simple/numpy/")).status_code == 404


async def test_the_short_name_leads_to_the_newest_version_by_number_not_by_spelling(client: httpx.AsyncClient) -> None:
    answer = await client.get("/packages/palio.whl")
    assert (answer.status_code, answer.headers["location"]) == (307, "/packages/palio-0.10.0-py3-none-any.whl")


async def test_a_wheel_is_served_as_it_lies_in_the_folder(client: httpx.AsyncClient) -> None:
    assert (await client.get("/packages/palio-0.9.0-py3-none-any.whl")).content == b"old"


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "no-wheel.whl", "palio-0.10.0.tar.gz", "linked-1.0-py3-none-any.whl", "..%2fsecret.txt", "%2e%2e/secret.txt"],
)
async def test_what_is_no_wheel_of_the_folder_is_not_served(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/packages/{name}")
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")


async def test_a_replaced_wheel_gets_its_new_hash(client: httpx.AsyncClient, folder: Path) -> None:
    before = (await client.get("/packages/simple/palio/")).text
    (folder / "palio-0.9.0-py3-none-any.whl").write_bytes(b"replaced")
    after = (await client.get("/packages/simple/palio/")).text
    assert before != after
    assert hashlib.sha256(b"replaced").hexdigest() in after


def test_a_missing_folder_is_an_empty_index(tmp_path: Path) -> None:
    assert WheelFolder(tmp_path / "nowhere").wheels() == []


@given(name=st.text(max_size=30))
def test_no_name_reaches_a_file_that_is_not_listed(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = WheelFolder(tmp_path_factory.getbasetemp())
    assert folder.named(name) is None
