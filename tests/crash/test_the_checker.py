"""A checker that finds nothing is worth something only if it finds what is wrong."""

import ast
import dataclasses
import sys

from tests.crash.world import CHECKER, World


def test_it_imports_nothing_of_ours() -> None:
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(CHECKER.read_text()))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "") or ""]
        )
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported - sys.stdlib_module_names == {"httpx", "psycopg2"}


def test_it_names_what_is_wrong(hurt: World) -> None:
    submission = hurt.submit()
    hurt.wait_for_states("scored", of=submission)
    assert hurt.faults() == ""
    true = list(hurt.acknowledged)
    try:
        hurt.acknowledged[-1] = dataclasses.replace(submission, score=0.123, email="somebody@example.org")
        found = hurt.faults(within_s=0)
        assert f"{submission.name} has the score" in found
        assert f"{submission.name}: 1 mails to" in found
        hurt.acknowledged[-1] = dataclasses.replace(submission, state="failed", score=None)
        found = hurt.faults(within_s=0)
        assert f"{submission.name} is scored, not failed" in found
        assert f"{submission.name} was scored 1 times" in found
        hurt.acknowledged.pop()
        found = hurt.faults(within_s=0)
        assert f"{submission.id} stands on the board, and nobody was told that it was taken in" in found
        assert f"{submission.id} was taken in, and nobody was told so" in found
    finally:
        hurt.acknowledged[:] = true
