"""A small HTTP server on loopback that answers as told, for what a client makes of answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What to answer; `cut` closes the connection without a word."""

    status: int = 200
    body: bytes | str | dict[str, Any] = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class AnswerServer:
    """Answers by path, each list from its first entry on, its last one for ever."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def answer(self, request: str, *answers: Answer) -> None:
        """Answer `METHOD /path` so."""
        self.answers[request] = list(answers)

    def take(self, method: str, path: str) -> Answer:
        """The next answer to a request."""
        left = self.answers.get(f"{method} {path.partition('?')[0]}")
        if not left:
            return Answer(404, {"title": "Nothing here", "status": 404})
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def answering() -> Iterator[AnswerServer]:
    """A running server, without answers yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            told.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            answer = told.take(self.command, self.path)
            if answer.cut:
                self.close_connection = True
                return
            content, kind = _content(answer)
            self.send_response(answer.status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        told = AnswerServer(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        http.shutdown()
        thread.join()


def _content(answer: Answer) -> tuple[bytes, str]:
    if isinstance(answer.body, dict):
        return json.dumps(answer.body).encode(), "application/json" if answer.status < 400 else "application/problem+json"
    if isinstance(answer.body, str):
        return answer.body.encode(), "text/plain; charset=utf-8"
    return answer.body, "application/octet-stream"
