"""Python files are parsed in a child process, whatever is in them."""

import pytest

from services.ingest.source_check import SourceError, check_sources


def check(content: bytes, python_version: str = "3.11") -> list[SourceError]:
    return check_sources({"classifier.py": content}, python_version)


def test_code_that_parses_has_no_error() -> None:
    assert check(b"class Classifier:\n    pass\n") == []
    assert check(b"'\\d'  # an escape that only warns\n") == []


def test_a_syntax_error_names_file_line_and_message() -> None:
    (error,) = check(b"x = 1\ndef f(:\n")
    assert (error.file, error.line) == ("classifier.py", 2)
    assert "invalid syntax" in error.message


@pytest.mark.parametrize(
    "content",
    [b"(" * 100_000, b"-" * 90_000 + b"1", b"x" + b".a" * 45_000, b"[" * 150 + b"]" * 150, b"lambda: " * 10_000 + b"1"],
    ids=["brackets", "operators", "attributes", "lists", "lambdas"],
)
def test_code_nested_so_deep_that_the_parser_breaks_is_an_error_of_the_file(content: bytes) -> None:
    errors = check(content)
    assert len(errors) <= 1
    assert all(error.file == "classifier.py" and error.message for error in errors)


def test_the_deepest_nesting_is_told_in_words() -> None:
    (error,) = check(b"-" * 90_000 + b"1")
    assert "nested" in error.message


def test_bytes_that_are_not_utf_8_are_told_with_their_line() -> None:
    assert check(b"x = 1\ny = '\xff'\n") == [SourceError("classifier.py", 2, "byte 11 is not UTF-8; save the file as UTF-8")]


def test_a_nul_byte_is_told_with_its_line() -> None:
    (error,) = check(b"x = 1\n\0\n")
    assert (error.line, error.message) == (2, "the file holds a NUL byte")


def test_the_grammar_is_that_of_the_environments_python() -> None:
    assert check(b"match x:\n    case 1: pass\n", "3.10") == []
    (error,) = check(b"match x:\n    case 1: pass\n", "3.9")
    assert "3.10" in error.message
