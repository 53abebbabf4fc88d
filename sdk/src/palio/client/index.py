"""Reading the page of a package index."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class WheelLinks(HTMLParser):
    """The wheels that a page of a package index (PEP 503) links to, by their file names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the last part of each link, which the index's address is put before again."""
        target = dict(attrs).get("href") if tag == "a" else None
        name = (target or "").partition("#")[0].rpartition("/")[2]
        if re.fullmatch(r"[\w.+!-]+\.whl", name):
            self.names.append(name)
