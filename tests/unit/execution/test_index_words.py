"""What uv says of a package index: which of it may be shown, and what it means. The words are those of uv 0.13."""

import pytest

from shared.execution.environments.index import Index, is_away, unknown_names

REFUSED = """error: Failed to fetch: http://127.0.0.1:9/simple/numpy/
  cause: error sending request for url (http://127.0.0.1:9/simple/numpy/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
NO_NAME = """error: Failed to fetch: http://no.such.host.invalid/simple/numpy/
  cause: error sending request for url (http://no.such.host.invalid/simple/numpy/)
  cause: dns error
  cause: failed to lookup address information: Name or service not known
"""
SERVER_ERROR = """error: Request failed after 3 retries in 9.1s
  cause: Failed to fetch: http://127.0.0.1:18803/simple/numpy/
  cause: HTTP status server error (503 Service Unavailable) for url (http://127.0.0.1:18803/simple/numpy/)
"""
TOO_MANY = SERVER_ERROR.replace("server error (503 Service Unavailable)", "client error (429 Too Many Requests)")
FORBIDDEN = """error: Failed to fetch: http://127.0.0.1/simple/numpy/
  cause: HTTP status client error (403 Forbidden) for url (http://127.0.0.1/simple/numpy/)
"""
UNKNOWN = """error: No solution found when resolving dependencies
  cause: Because my-connection-timed-out was not found in the package registry and you require my-connection-timed-out,
         we can conclude that your requirements are unsatisfiable.
"""
UNSOLVABLE = """error: No solution found when resolving dependencies
  cause: Because only numpy<=2.4.6 is available and you require numpy>=99, we can conclude that your requirements are unsatisfiable.
"""


@pytest.mark.parametrize("words", [REFUSED, NO_NAME, SERVER_ERROR, TOO_MANY, "cause: operation timed out"])
def test_an_index_that_did_not_answer_is_away(words: str) -> None:
    assert is_away(words)


@pytest.mark.parametrize("words", [FORBIDDEN, UNKNOWN, UNSOLVABLE, "error: hash mismatch", ""])
def test_an_index_that_said_no_is_not_away(words: str) -> None:
    assert not is_away(words)


def test_names_that_the_index_does_not_have_are_found() -> None:
    assert unknown_names(UNKNOWN) == ["my-connection-timed-out"]
    assert unknown_names("Because a.b was not found in the package registry and c_d was not found in the package registry") == [
        "a.b",
        "c_d",
    ]
    assert unknown_names(UNSOLVABLE) == []


def test_only_what_leads_to_an_index_is_passed_on() -> None:
    leads = {
        "UV_INDEX_URL": "https://index.example/simple",
        "UV_INDEX_INTERNAL_PASSWORD": "x",
        "UV_HTTP_RETRIES": "0",
        "https_proxy": "http://proxy.example:3128",
    }
    stays = {
        "AWS_SECRET_ACCESS_KEY": "x",
        "PALIO_S3_SECRET_KEY": "x",
        "UV_CACHE_DIR": "/",
        "UV_PYTHON": "x",
        "PATH": "/usr/bin",
        "UV_INDEX": "",
    }
    assert Index.of({**leads, **stays, "SSL_CERT_FILE": "/nonexistent"}) == Index(leads, None)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "error at https://user:secret-1@index.example/simple"),
        ({}, "error at https://user:se@cret-1@index.example/simple"),
        ({"UV_INDEX_URL": "https://user:secret-1@index.example/"}, "the password secret-1 was refused"),
        ({"UV_INDEX_URL": "https://user:secret%2D1@index.example/"}, "the password secret-1 was refused"),
        ({"UV_INDEX_URL": "https://secret-1@index.example/"}, "the token secret-1 was refused"),
        ({"UV_INDEX": "own=https://a:secret-1@a.example/ https://b:other@b.example/"}, "secret-1 other"),
        ({"UV_INDEX_OWN_PASSWORD": "secret-1"}, "the password secret-1 was refused"),
        ({"HTTPS_PROXY": "http://me:secret-1@proxy.example"}, "proxy http://me:secret-1@proxy.example/ says secret-1"),
    ],
)
def test_no_secret_of_an_operator_is_in_words_that_are_shown(variables: dict[str, str], words: str) -> None:
    shown = Index(variables, None).without_secrets(words)
    for secret in ("secret", "cret-1", "other"):
        assert secret not in shown


def test_words_without_secrets_stay_as_they_are_and_obey_no_terminal() -> None:
    index = Index({"UV_INDEX_URL": "https://index.example/simple", "NO_PROXY": "a"}, None)
    assert index.without_secrets(REFUSED) == REFUSED
    assert index.without_secrets("\x1b[31mred") == "\\x1b[31mred"
    assert len(index.without_secrets("x" * 100_000)) < 9000
