"""Requests that can't be met: each its own clear error, nothing half-made."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.support.people import Person, starter, wait_until_prepared

ChallengeOf = Callable[[str], str]


@pytest.fixture(scope="module")
def eve(register: Callable[[str], Person], challenge_of: ChallengeOf) -> Person:
    person = register("eve")
    person.client.join(challenge_of("iris"))
    return person


@pytest.fixture(scope="module")
def post(platform: Stack, eve: Person) -> Callable[..., httpx.Response]:
    """POST as Eve, or as whoever's token is given."""

    def post(path: str, token: str | None = None, **content: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or eve.token}"}
        return httpx.post(f"{platform.origin}/v1/{path}", headers=headers, timeout=60, **content)

    return post


def problem_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document, checked for what all of them have."""
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    document = dict(response.json())
    assert (response.status_code, document["status"], document["type"]) == (status, status, f"urn:palio:problem:{code}"), document
    assert document["title"]
    assert len(document["detail"]) > 10
    return document


def submit(
    post: Callable[..., httpx.Response], name: str = "a name", files: dict[str, bytes] | None = None, **more: Any
) -> httpx.Response:
    parts = [("files", (file, content)) for file, content in (starter("iris") if files is None else files).items()]
    return post(f"challenges/{more.pop('challenge', 'iris')}/submissions", data={"name": name}, files=parts, **more)


def test_an_unknown_challenge(post: Callable[..., httpx.Response]) -> None:
    problem_of(submit(post, challenge="no-such"), 404, "unknown-challenge")
    problem_of(post("challenges/no-such/joins"), 404, "unknown-challenge")


def test_a_team_that_has_not_joined(post: Callable[..., httpx.Response], register: Callable[[str], Person]) -> None:
    problem_of(submit(post, token=register("outsider").token), 403, "not-joined")


def test_a_challenge_that_is_closed_or_not_open_yet(post: Callable[..., httpx.Response], organiser: Person, eve: Person) -> None:
    now = datetime.now(UTC)
    for name, opens, closes, code in (
        ("later", now + timedelta(days=1), now + timedelta(days=2), "challenge-not-open"),
        ("soon-over", now - timedelta(days=2), now + timedelta(seconds=3), "challenge-closed"),
    ):
        settings = {"opens_at": opens.isoformat(), "closes_at": closes.isoformat()}
        organiser.client.create_challenge(name, name, "iris", settings)
        eve.client.join(name)
        while datetime.now(UTC) < min(closes, now + timedelta(seconds=4)) and code == "challenge-closed":
            organiser.client.challenge(name)
        problem_of(submit(post, challenge=name), 409, code)
    assert organiser.client.challenge("soon-over")["submissions"] == 0


def test_a_challenge_on_a_problem_that_is_not_prepared_or_not_there(
    post: Callable[..., httpx.Response], organiser: Person
) -> None:
    body = {"id": "too-early", "title": "Too early", "problem": "no-such"}
    problem_of(post("challenges", token=organiser.token, json=body), 404, "unknown-problem")


def test_a_taken_name(post: Callable[..., httpx.Response]) -> None:
    assert submit(post, "taken").status_code == 201
    problem_of(submit(post, "  TAKEN "), 409, "name-taken")


@pytest.mark.parametrize(
    ("files", "status", "code", "words"),
    [
        ({"other.py": b"x = 1"}, 422, "wrong-files", "classifier.py is missing"),
        ({**starter("iris"), "extra.py": b"x = 1"}, 422, "wrong-files", "extra.py is not part"),
        ({"../classifier.py": b"x = 1"}, 422, "wrong-files", "classifier.py"),
        ({"classifier.py": b"#" * 200_000}, 413, "too-large", "100,000"),
        ({"classifier.py": b"x = '\xff'"}, 422, "does-not-parse", "UTF-8"),
        ({"classifier.py": b"x = 1\ndef f(:\n  pass"}, 422, "does-not-parse", "line 2"),
        ({"classifier.py": b"-" * 90_000 + b"1"}, 422, "does-not-parse", "nested"),
        ({"classifier.py": b"x = 1\0"}, 422, "does-not-parse", "NUL"),
    ],
)
def test_files_that_can_not_be_taken(
    post: Callable[..., httpx.Response], files: dict[str, bytes], status: int, code: str, words: str
) -> None:
    document = problem_of(submit(post, "never taken", files), status, code)
    assert words in document["detail"]
    if code == "does-not-parse":
        assert document["errors"][0]["file"] == "classifier.py"


def test_a_submission_in_one_archive_is_the_same_as_in_parts(post: Callable[..., httpx.Response]) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for file, content in starter("iris").items():
            target.writestr(file, content)
    response = post("challenges/iris/submissions", data={"name": "as an archive"}, files={"archive": archive.getvalue()})
    assert response.status_code == 201, response.text


def tar_with(member: tarfile.TarInfo, content: bytes = b"") -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as target:
        member.size = len(content)
        target.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "archive",
    [
        tar_with(member("../problem.py"), b"x"),
        tar_with(member("/problem.py"), b"x"),
        tar_with(member("problem.py", tarfile.SYMTYPE, "/etc/passwd")),
        tar_with(member("problem.py", tarfile.LNKTYPE, "/etc/passwd")),
        tar_with(member("problem.py", tarfile.CHRTYPE)),
        tar_with(member("problem.py", tarfile.FIFOTYPE)),
        tar_with(member("problem.py"), b"\0" * (300 * 2**20)),
        tar_with(member("kit/problem.py"), b"x = 1"),
        b"this is no archive",
        b"",
    ],
    ids=["parent", "absolute", "symlink", "hardlink", "device", "fifo", "bomb", "folder instead of contents", "garbage", "empty"],
)
def test_a_kit_archive_that_is_dangerous_or_no_kit(
    post: Callable[..., httpx.Response], organiser: Person, archive: bytes
) -> None:
    response = post("problems", token=organiser.token, data={"id": "dangerous"}, files={"kit": ("kit.tar.gz", archive)})
    problem_of(response, 422, "bad-archive")
    problem_of(
        post("challenges", token=organiser.token, json={"id": "xx", "title": "x", "problem": "dangerous"}), 404, "unknown-problem"
    )


def kit_archive(**files: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as target:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_py", ".py").replace("_txt", ".txt"))
            info.size = len(text.encode())
            target.addfile(info, io.BytesIO(text.encode()))
    return archive.getvalue()


IRIS_PROBLEM = (Path(__file__).parents[2] / "kits/iris/problem.py").read_text()
REQUIREMENTS = "palio\nnumpy\npandas\nscikit-learn\n"


@pytest.mark.parametrize(
    ("problem", "requirements", "outcome", "words"),
    [
        ("raise RuntimeError('my kit is broken')", REQUIREMENTS, "kit_error", "my kit is broken"),
        (IRIS_PROBLEM, REQUIREMENTS, "kit_error", "train.csv"),
        (IRIS_PROBLEM.replace("def get_cv", "def other"), REQUIREMENTS, "kit_error", "get_cv"),
        (IRIS_PROBLEM, "no-such-package-anywhere-42\n", "environment_error", "no-such-package-anywhere-42"),
        (IRIS_PROBLEM, "-e .\n", "kit_error", "-e ."),
        (IRIS_PROBLEM, "numpy @ file:///etc/passwd\n", "kit_error", "refused"),
    ],
    ids=["raises", "without data", "lacks a member", "unknown package", "editable", "path"],
)
def test_a_kit_that_can_not_be_prepared_tells_its_organiser_why(
    post: Callable[..., httpx.Response],
    organiser: Person,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    problem: str,
    requirements: str,
    outcome: str,
    words: str,
) -> None:
    problem_id = "broken-" + request.node.callspec.id.replace(" ", "-")
    archive = kit_archive(
        problem_py=problem,
        requirements_txt=requirements,
        submissions__starting_kit__classifier_py=starter("iris")["classifier.py"].decode(),
    )
    (tmp_path / "kit.tar.gz").write_bytes(archive)
    organiser.client.publish_problem(problem_id, tmp_path / "kit.tar.gz", None)
    found = wait_until_prepared(organiser.client, problem_id)
    assert (found["state"], found["outcome"]) == ("failed", outcome), found
    assert words in f"{found['reason']}\n{found['detail']}"
    response = post("challenges", token=organiser.token, json={"id": problem_id, "title": "x", "problem": problem_id})
    problem_of(response, 409, "problem-not-prepared")


def test_only_its_organiser_sees_how_a_problem_stands(platform: Stack, eve: Person, challenge_of: ChallengeOf) -> None:
    challenge_of("iris")
    for headers in ({}, {"Authorization": f"Bearer {eve.token}"}):
        problem_of(httpx.get(f"{platform.origin}/v1/problems/iris", headers=headers), 404, "unknown-problem")


def test_only_administrators_publish_and_create(post: Callable[..., httpx.Response]) -> None:
    problem_of(post("problems", data={"id": "mine"}, files={"kit": b"x"}), 403, "not-administrator")
    problem_of(post("challenges", json={"id": "mine", "title": "x", "problem": "iris"}), 403, "not-administrator")


@pytest.mark.parametrize("token", ["nonsense", "palio_" + "A" * 43])
def test_a_wrong_token_is_refused_and_not_taken_for_nobody(platform: Stack, token: str) -> None:
    for path in ("me", "challenges/iris"):
        response = httpx.get(f"{platform.origin}/v1/{path}", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401


def test_a_body_above_the_limit_is_refused_while_it_arrives(post: Callable[..., httpx.Response], organiser: Person) -> None:
    response = post("problems", token=organiser.token, data={"id": "huge"}, files={"kit": b"x" * (201 * 2**20)})
    assert response.status_code == 413


def test_accounts_that_can_not_be_made(post: Callable[..., httpx.Response]) -> None:
    good = {"name": "grace", "email": "grace@example.org", "password": "long enough"}
    assert post("users", json=good).status_code == 201
    problem_of(post("users", json={**good, "email": "other@example.org"}), 409, "name-taken")
    problem_of(post("users", json={**good, "name": "other"}), 409, "email-taken")
    problem_of(post("users", json={**good, "name": "a", "email": "no address"}), 422, "bad-email")
    problem_of(post("users", json={**good, "name": "b", "password": "short"}), 422, "bad-password")
    problem_of(post("users", json={**good, "name": "c\nBcc: x"}), 422, "bad-name")
    response = post("users", json={"name": "d", "password": "hunter2hunter2"})
    assert "hunter2" not in response.text
    problem_of(post("tokens", json={"name": "grace", "password": "wrong"}), 401, "not-authenticated")
    problem_of(post("tokens", json={"name": "nobody at all", "password": "wrong"}), 401, "not-authenticated")
