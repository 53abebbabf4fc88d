"""Role `prepare`: a kit with its private data becomes files: X, folds with masked labels, labels, and what the problem is.

Runs once for each version of a problem, in a folder that is a copy and is thrown away.
"""

from __future__ import annotations

import ast
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .channel import Channel
from .faults import cut, whole_traceback, words_of
from .kit import KIT_FOLDER, load_problem
from .masking import masked, row_numbers
from .stored import Stored

_SCRIPT = "prepare_data.py"
_STARTER = "submissions/starting_kit"
_PROBE_ROWS = 2
_MAX_PRELOAD = 50
_MAX_TITLE_CHARS = 500
_MAX_SAID_BYTES = 1 << 22


class _KitFaultError(Exception):
    """A step of the kit failed; the message is for the organiser."""

    def __init__(self, reason: str, detail: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def run(_ready: None, job: dict[str, Any], channel: Channel) -> None:
    """Prepare, and send the files; `fault.json` says what the kit did wrong."""
    try:
        if job["prepare_data"]:
            _run_script()
        _prepare(channel)
    except _KitFaultError as fault:
        channel.send_json("fault.json", {"reason": fault.reason, "traceback": fault.detail})


def _prepare(channel: Channel) -> None:
    problem = _step("problem.py cannot be imported", load_problem)
    x_train, y_train = _step("get_train_data fails", lambda: _pair(problem.get_train_data(".")))
    x_test, y_test = _step("get_test_data fails", lambda: _pair(problem.get_test_data(".")))
    folds = _step("get_cv fails", lambda: _folds(problem, x_train, y_train))
    description = _step("problem.py does not describe the problem", lambda: _described(problem, y_train, y_test, len(folds)))
    channel.send_json("description.json", description)
    _send(channel, "x_train", x_train)
    _send(channel, "labels/y_train", y_train)
    _send(channel, "labels/folds", folds)
    if y_test is not None:
        _send(channel, "x_test", x_test)
        _send(channel, "labels/y_test", y_test)
    for number, (train_is, valid_is) in enumerate(folds):
        rows = row_numbers(train_is, len(y_train))
        hidden = _step("y_train cannot be masked", lambda rows=rows: masked(y_train, rows))  # type: ignore[misc]  # bound at once
        _send(channel, f"folds/{number}", {"train_is": train_is, "valid_is": valid_is, "y": hidden})


def _run_script() -> None:
    """The organiser's own preparation of the data, in the kit's folder; its words go to the log and, if it fails, to them."""
    command = [sys.executable, "-s", "-B", _SCRIPT]
    # A file, not a pipe: what the script left running would hold a pipe open, and this is over when the script is.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, cwd=KIT_FOLDER, stdout=said, stderr=subprocess.STDOUT, check=False)
        said.seek(0)
        words = said.read(_MAX_SAID_BYTES).decode("utf-8", "replace")
    sys.stdout.write(words)
    if done.returncode:
        raise _KitFaultError(f"{_SCRIPT} ends with code {done.returncode}", cut(words))


def _step(reason: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except BaseException as error:  # noqa: BLE001 - an organiser's code may also call sys.exit
        raise _KitFaultError(f"{reason}: {words_of(error)}", whole_traceback(error)) from None


def _pair(data: Any) -> tuple[Any, Any]:
    """X and y, or twice None: a test set without labels, as some kits give, cannot be scored, so it is none."""
    x, y = data
    if x is None and y is not None:
        raise ValueError("there is y and no X")
    return (None, None) if y is None else (x, y)


def _folds(problem: Any, x_train: Any, y_train: Any) -> list[tuple[Any, Any]]:
    if y_train is None:
        raise ValueError("get_train_data gives no y")
    folds = [(train_is, valid_is) for train_is, valid_is in problem.get_cv(x_train, y_train)]
    if not folds:
        raise ValueError("there are no folds")
    for number, (train_is, valid_is) in enumerate(folds):
        train_rows, valid_rows = row_numbers(train_is, len(y_train)), row_numbers(valid_is, len(y_train))
        if not len(train_rows) or not len(valid_rows):
            raise ValueError(f"fold {number} has {len(train_rows)} training rows and {len(valid_rows)} validation rows")
    return folds


def _described(problem: Any, y_train: Any, y_test: Any, n_folds: int) -> dict[str, Any]:
    if not len(problem.score_types):
        raise ValueError("score_types is empty")
    names = [str(metric.name) for metric in problem.score_types]
    if len(set(names)) < len(names):
        raise ValueError(f"two metrics are called {max(names, key=names.count)!r}: boards tell them apart by their names")
    n_train, n_test = len(problem.Predictions(y_true=y_train).y_pred), None
    if y_test is not None:
        n_test = len(problem.Predictions(y_true=y_test).y_pred)
    empty = problem.Predictions(n_samples=_PROBE_ROWS).y_pred
    kind = getattr(problem, "leaderboard_score_kind", "bag")
    if kind not in ("bag", "mean"):
        raise ValueError(f"leaderboard_score_kind is {kind!r}, it must be 'bag' or 'mean'")
    return {
        "title": _one_line(str(problem.problem_title)),
        "elements": _elements(problem.workflow),
        "preload": _imports_of_starter(),
        "metrics": [_metric(metric) for metric in problem.score_types],
        "score_kind": kind,
        "n_folds": n_folds,
        "n_train": n_train,
        "n_test": n_test,
        "predictions": {"is_ragged": empty.dtype == object, "shape": list(empty.shape[1:]), "type": problem.Predictions.__name__},
    }


def _one_line(text: str) -> str:
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:_MAX_TITLE_CHARS]


def _imports_of_starter() -> list[str]:
    """The modules of libraries that the starter imports; nothing of the kit or the starter itself."""
    own = {path.stem for folder in (Path(), Path("external_imports"), Path(_STARTER)) for path in folder.glob("*.py")}
    modules = set()
    for path in sorted(Path(_STARTER).glob("*.py")):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
    return sorted(name for name in modules if name.split(".")[0] not in own and name.isascii())[:_MAX_PRELOAD]


def _metric(metric: Any) -> dict[str, Any]:
    return {
        "name": str(metric.name),
        "precision": int(metric.precision),
        "is_lower_the_better": bool(metric.is_lower_the_better),
        "minimum": _finite(metric.minimum),
        "maximum": _finite(metric.maximum),
    }


def _finite(bound: Any) -> float | None:
    return float(bound) if bound is not None and math.isfinite(bound) else None


def _elements(workflow: Any) -> list[str]:
    """The file names of a submission: `classifier` stands for `classifier.py`, unless the starter has it as another kind."""
    folder = Path(_STARTER)
    starter = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    starter = [name for name in starter if not name.startswith(".")]
    names = getattr(workflow, "element_names", None) or getattr(workflow, "workflow_element_names", None) or starter
    if not names:
        raise ValueError("the workflow has no element_names, and there is no submissions/starting_kit to learn them from")
    return [_file_of(str(name), starter) for name in names]


def _file_of(element: str, starter: list[str]) -> str:
    if Path(element).suffix:
        return element
    in_starter = [file for file in starter if Path(file).stem == element]
    return in_starter[0] if len(in_starter) == 1 else f"{element}.py"


def _send(channel: Channel, name: str, content: Any) -> None:
    file = _step(f"{name} cannot be stored", lambda: Stored(content))
    channel.send_parts(name, file.size, file.parts())
