"""Logs as JSON lines, and probes that say what is in the way."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from shared.telemetry import Readiness, serve_probes
from shared.telemetry.probes import answer_probe
from tests.support.free_port import free_port

ROOT = Path(__file__).parents[3]


def logged(statements: str) -> list[dict[str, object]]:
    """The lines that a process of its own writes when it runs these statements."""
    program = (
        "import logging; from shared.telemetry import bind_log_context, configure_logging, get_logger; "
        "configure_logging('ingest', 'info'); log = get_logger('a.module')\n"
    )
    done = subprocess.run([sys.executable, "-c", program + statements], capture_output=True, text=True, check=True, cwd=ROOT)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_is_json_and_names_service_submission_and_correlation() -> None:
    (line,) = logged("with bind_log_context(submission_id='s', correlation_id='c'): log.info('run_finished', outcome='trained')")
    assert {"service": "ingest", "submission_id": "s", "correlation_id": "c", "event": "run_finished"}.items() <= line.items()
    assert line["outcome"] == "trained"


def test_what_libraries_log_is_json_too_tracebacks_included() -> None:
    (line,) = logged("try: 1 / 0\nexcept ZeroDivisionError: logging.getLogger('some.library').exception('it broke')")
    assert line["event"] == "it broke"
    assert "ZeroDivisionError" in str(line["exception"])


def test_what_is_below_the_level_is_not_written() -> None:
    assert logged("log.debug('chatter')") == []


def test_a_service_is_ready_when_nothing_is_in_the_way() -> None:
    readiness = Readiness()
    readiness.blocked("relay", "the database is away")
    status, _, body = answer_probe("/readyz", readiness)
    assert (status, json.loads(body)["obstacles"]) == (503, {"relay": "the database is away"})
    assert b'palio_blocked{part="relay"} 1.0' in answer_probe("/metrics", readiness)[2], "alerts read no words"
    readiness.clear("relay")
    assert b'palio_blocked{part="relay"} 0.0' in answer_probe("/metrics", readiness)[2]
    assert answer_probe("/readyz", readiness)[0] == 200
    assert answer_probe("/healthz", readiness)[0] == 200
    assert b"python_info" in answer_probe("/metrics", readiness)[2]
    assert answer_probe("/etc/passwd", readiness)[0] == 404


def test_a_check_that_fails_makes_a_service_not_ready_without_telling_secrets() -> None:
    def check() -> None:
        raise ConnectionError("postgresql://ingest:hunter2@db")

    status, _, body = answer_probe("/readyz", Readiness(), check)
    assert status == 503
    assert b"hunter2" not in body
    assert b"ConnectionError" in body


def test_probes_of_a_service_without_an_api_answer_over_http_until_they_are_stopped() -> None:
    port = free_port()
    stop = serve_probes("127.0.0.1", port, Readiness())
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
            assert response.status == 200
    finally:
        stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5)
