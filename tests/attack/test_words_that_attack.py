"""Words that attack whoever reads them: in names they are refused, in logs, reasons and tracebacks they are only words."""

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable
from email.message import EmailMessage

import httpx
import pytest

from deploy.local.mailcatcher import caught_mails
from tests.attack.arena import Arena
from tests.attack.attacks import attacks_of
from tests.support.people import Person
from tests.support.waiting import wait_until

#: What a terminal would obey: everything that is no text but the ends of lines and tabs.
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MARKUP = re.compile(r"<(script|svg)", re.IGNORECASE)


@pytest.fixture(scope="module")
def attacked(arena: Arena) -> Callable[[str], str]:
    """The id of one of the submissions in `submissions/words`, once it is over."""
    attacks = attacks_of("words")

    return lambda name: str(arena.round(attacks).result("default", name)["id"])


@pytest.mark.parametrize(
    "name",
    [
        *("..", ".", "/etc/passwd", "../../etc/passwd", "..\\..\\windows", "a/b", ".hidden"),
        *("<svg/onload=alert(1)>", "a&b", 'a"b', "a\x07b", "a\x1b[31mb", "a\x00b", "a\nb\r\nBcc: c", "a\u202eb", "a\u2028b"),
        *("", "   ", "x" * 200, "\u200b", "\ue000"),
    ],
)
def test_a_name_that_is_a_path_markup_or_not_to_be_seen_is_refused(arena: Arena, name: str) -> None:
    answer = httpx.post(
        f"{arena.platform.origin}/v1/challenges/{arena.challenges[0]}/submissions",
        headers={"Authorization": f"Bearer {arena.mallory.token}"},
        data={"name": name},
        files=[("files", ("regressor.py", b"x = 1"))],
    )
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not CONTROLS.search(answer.text)


@pytest.mark.parametrize(
    "name", ["../regressor.py", "/regressor.py", "a/regressor.py", "regressor.py\x00.txt", "<svg>.py", "\x1b[31m.py"]
)
def test_a_file_whose_name_is_a_path_or_markup_is_refused(arena: Arena, name: str) -> None:
    answer = httpx.post(
        f"{arena.platform.origin}/v1/challenges/{arena.challenges[0]}/submissions",
        headers={"Authorization": f"Bearer {arena.mallory.token}"},
        data={"name": "a good name"},
        files=[("files", ("regressor.py", b"x = 1")), ("files", (name, b"x = 1"))],
    )
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["in_the_log", "in_an_exception", "in_names"])
def test_no_terminal_obeys_what_the_command_prints(arena: Arena, attacked: Callable[[str], str], name: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PALIO_TOKEN": arena.mallory.token}
    for command in ("logs", "status"):
        said = subprocess.run(
            [sys.executable, "-m", "palio", command, attacked(name), "--server", arena.platform.origin],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.stdout + said.stderr, "it says something"
        assert not CONTROLS.search(said.stdout + said.stderr), command


@pytest.mark.parametrize("name", ["in_the_log", "in_an_exception", "in_names"])
def test_no_browser_runs_what_the_pages_show(arena: Arena, attacked: Callable[[str], str], name: str) -> None:
    origin, submission_id, token = arena.platform.origin, attacked(name), arena.mallory.token
    page = httpx.get(f"{origin}/submissions/{submission_id}", cookies={"palio_token": token})
    assert "alert(1)" in page.text or "2J" in page.text, "it is shown"
    assert not MARKUP.search(re.sub(r'<script [^>]*src="/[^"]*"[^>]*>', "", page.text))
    for log in (
        httpx.get(f"{origin}/v1/submissions/{submission_id}/log", headers={"Authorization": f"Bearer {token}"}),
        httpx.get(f"{origin}/submissions/{submission_id}/log", cookies={"palio_token": token}),
    ):
        assert log.headers["Content-Type"].startswith("text/plain")
        assert log.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in log.headers["Content-Security-Policy"]


def mail_about(arena: Arena, to: Person, submission_id: str) -> EmailMessage | None:
    for mail in caught_mails(arena.platform.mail_folder):
        body = mail.get_body(("plain",))
        if to.email in str(mail["To"]) and body is not None and submission_id in body.get_content():
            return mail
    return None


@pytest.mark.parametrize("name", ["in_an_exception", "in_names"])
def test_no_reader_of_mail_runs_or_obeys_what_it_says(arena: Arena, attacked: Callable[[str], str], name: str) -> None:
    submission_id = attacked(name)
    mail = wait_until(lambda: mail_about(arena, arena.mallory, submission_id), "the mail about the failure")
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert page is not None
    assert "script" in html.unescape(page.get_content())
    assert not MARKUP.search(page.get_content())
    assert not CONTROLS.search(text.get_content() + str(mail["Subject"]))
