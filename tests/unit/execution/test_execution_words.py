"""Logs, tracebacks and other words of strangers, cut and made fit to be shown."""

import ast
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.execution.runner.faults import cut, is_raised_by_import, own_traceback, whole_traceback, words_of
from shared.execution.sandbox.log import BoundedLog
from shared.execution.words import shown

RUNNER = Path(__file__).resolve().parents[3] / "shared" / "execution" / "runner"


@given(st.lists(st.binary(max_size=50), max_size=30), st.integers(2, 60))
def test_a_log_keeps_its_begin_and_its_end_within_its_limit(parts: list[bytes], limit: int) -> None:
    log = BoundedLog(limit)
    for part in parts:
        log.write(part)
    whole, kept = b"".join(parts), log.content()
    assert log.total_bytes == len(whole)
    if len(whole) <= limit:
        assert kept == whole
    else:
        assert kept.startswith(whole[: limit // 2])
        assert kept.endswith(whole[len(whole) - (limit - limit // 2) :])
        assert b"[... %d bytes of output were left out here ...]" % (len(whole) - limit) in kept


@given(st.text(), st.integers(10, 100))
def test_what_is_shown_obeys_no_terminal_and_is_not_too_long(text: str, limit: int) -> None:
    visible = shown(text, limit)
    assert all(character.isprintable() or character in "\n\t" for character in visible)
    assert len(visible) <= limit + len("\n[...]\n")


@given(st.text(st.characters(), max_size=50))
def test_a_text_that_is_cut_can_always_be_written(text: str) -> None:
    assert "\0" not in cut(text)
    cut(text + "\ud800").encode()


def raised_by(source: str, folder: Path, name: str = "element.py") -> BaseException:
    """What importing this file, and then calling its `run`, raises."""
    path = folder / name
    path.write_text(source)
    namespace: dict[str, object] = {}
    try:
        exec(compile(source, str(path), "exec"), namespace)
        namespace["run"]()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - whatever the source raises
        return error
    pytest.fail("it raises nothing")


def test_a_traceback_has_the_participants_lines_and_the_innermost(tmp_path: Path) -> None:
    error = raised_by("import json\ndef run():\n    json.loads('{')\n", tmp_path)
    text = own_traceback(error, str(tmp_path))
    assert 'File "element.py", line 3, in run' in text
    assert "json.loads('{')" in text
    assert ".../decoder.py" in text
    assert "test_execution_words" not in text
    assert str(tmp_path) not in text
    assert text.endswith("JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)")


@pytest.mark.parametrize(
    ("source", "is_import"),
    [
        ("1 / 0", True),
        ("import nonsense_module", True),
        ("def run(): import nonsense_module", False),
        ("def run(): 1 / 0", False),
        ("def helper(): 1 / 0\nhelper()", True),
        ("def run(): exec('1/0')", False),
    ],
)
def test_errors_of_an_import_are_told_from_errors_of_a_call(source: str, is_import: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a case
    assert is_raised_by_import(raised_by(source, tmp_path), str(tmp_path)) is is_import


def test_a_syntax_error_and_a_missing_file_are_errors_of_the_import(tmp_path: Path) -> None:
    for broken in (lambda: compile("def (", str(tmp_path / "element.py"), "exec"), (tmp_path / "none.py").open):
        with pytest.raises((SyntaxError, OSError)) as failure:
            broken()
        assert is_raised_by_import(failure.value, str(tmp_path))


def test_a_syntax_error_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError) as failure:
        compile("def (", str(tmp_path / "element.py"), "exec")
    assert words_of(failure.value) == "SyntaxError: invalid syntax (element.py, line 1)"


def test_a_long_chain_of_causes_is_cut() -> None:
    error: BaseException = ValueError("first")
    for number in range(50):
        following = RuntimeError(str(number))
        following.__cause__ = error
        error = following
    text = own_traceback(error, "/none")
    assert text.count("RuntimeError") == 5


def test_a_cycle_of_causes_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert own_traceback(one, "/none").count("ValueError") == 2


def test_an_error_with_a_message_of_a_megabyte_is_cut() -> None:
    assert len(own_traceback(ValueError("x" * 10**6), "/none")) < 25_000
    assert len(words_of(ValueError("x" * 10**6))) < 600


def test_the_organisers_traceback_is_whole(tmp_path: Path) -> None:
    error = raised_by("def run(): 1 / 0", tmp_path)
    assert f'File "{tmp_path}{os.sep}element.py", line 1, in run' in whole_traceback(error)
    assert "ZeroDivisionError" in whole_traceback(error)


@pytest.mark.parametrize("path", sorted(RUNNER.glob("*.py")), ids=lambda path: path.name)
def test_the_runner_is_python_3_8_and_needs_numpy_only(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    roots = {name.split(".")[0] for name in imported}
    assert roots <= set(sys.stdlib_module_names) | {"numpy"}
