"""A real browser, moved over the WebDriver protocol by the chromedriver of the machine."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.local.ports import LOOPBACK, PortBlock, is_listening
from tests.support.waiting import wait_until

#: Without the background services of the browser: a test reaches nothing but the platform.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PROGRAMS = ("chromium", "chromedriver")


def is_installed() -> bool:
    """Whether this machine has the browser and what moves it."""
    return all(shutil.which(program) for program in PROGRAMS)


@dataclass(frozen=True)
class Browser:
    """One window."""

    session: httpx.Client

    def go(self, url: str) -> None:
        """Open an address, and wait until the page is loaded."""
        self.session.post("url", json={"url": url}).raise_for_status()

    def run(self, script: str) -> Any:
        """What a script in the page returns. An error in the page raises."""
        answer = self.session.post("execute/sync", json={"script": script, "args": []}).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def shows(self, selector: str, text: str) -> None:
        """Wait until the first element that a selector finds holds this text."""
        script = f"return document.querySelector({selector!r})?.textContent.includes({text!r}) ?? false"
        wait_until(lambda: self.run(script), f"{selector} to show {text!r}")

    def resize(self, width: int, height: int) -> None:
        """As wide as a telephone, say."""
        self.session.post("window/rect", json={"width": width, "height": height}).raise_for_status()

    def complaints(self) -> list[str]:
        """What the browser's console says: errors of scripts, and what the content security policy stopped."""
        return [entry["message"] for entry in self.session.post("se/log", json={"type": "browser"}).json()["value"]]


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile below `folder`, ended with the context."""
    with PortBlock() as ports:
        port = ports.take()
        driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_listening(port), "chromedriver")
            options = {
                "binary": shutil.which("chromium"),
                "args": [*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"],
            }
            wanted = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
            url = f"http://{LOOPBACK}:{port}/session"
            created = httpx.post(url, json={"capabilities": wanted}, timeout=60).raise_for_status()
            address = f"{url}/{created.json()['value']['sessionId']}"
            with httpx.Client(base_url=address, timeout=60) as session:
                try:
                    yield Browser(session)
                finally:
                    # Not `session.delete("")`, which asks for the address with a slash, and ends nothing.
                    httpx.delete(address, timeout=60).raise_for_status()
        finally:
            driver.terminate()
            driver.wait(30)
