"""A kit to begin from: small, runs as it is, and is all replaced in the end.

Its files are texts beside this one, with `$name` where kits differ. Writes files; runs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from palio.contract_errors import KitError

#: Ids of problems on the platform, which a kit's folder gives its name to.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{1,62}")


@dataclass(frozen=True)
class Form:
    """A workflow that a kit may begin with."""

    workflow: str
    #: Files of a submission, each with a text beside this module.
    elements: tuple[str, ...]
    classifies: bool


#: By the names that `palio kit new --workflow` knows.
FORMS = {
    "classifier": Form("Classifier", ("classifier",), classifies=True),
    "regressor": Form("Regressor", ("regressor",), classifies=False),
    "feature-extractor-classifier": Form("FeatureExtractorClassifier", ("feature_extractor", "classifier"), classifies=True),
    "feature-extractor-regressor": Form("FeatureExtractorRegressor", ("feature_extractor", "regressor"), classifies=False),
    "estimator": Form("Estimator", ("estimator",), classifies=True),
}
_DEFINES = {
    "classifier": "`classifier.py` with a class `Classifier` that has `fit(X, y)` and `predict_proba(X)`",
    "regressor": "`regressor.py` with a class `Regressor` that has `fit(X, y)` and `predict(X)`",
    "feature_extractor": "`feature_extractor.py` with a class `FeatureExtractor` that has `transform(X)`",
    "estimator": "`estimator.py` with a function `get_estimator()` that returns a classifier of scikit-learn's kind",
}
_CLASSIFICATION = {
    "target": "weather",
    "splitter": "StratifiedKFold",
    "predictions": 'Predictions = rw.prediction_types.make_multiclass(label_names=["drizzle", "dry", "rain"])',
    "metrics": '    rw.score_types.Accuracy(name="acc"),\n    rw.score_types.NegativeLogLikelihood(name="nll"),',
    "metric_words": "accuracy, negative log likelihood",
    "summary": "value_counts()",
    "make_target": '    days["weather"] = np.select([wetness < 2.4, wetness < 4.1], ["dry", "drizzle"], "rain")',
}
_REGRESSION = {
    "target": "rain_mm",
    "splitter": "KFold",
    "predictions": "Predictions = rw.prediction_types.make_regression()",
    "metrics": '    rw.score_types.RMSE(name="rmse", precision=3),\n    rw.score_types.NormalizedRMSE(name="n_rmse", precision=3),',
    "metric_words": "root mean square error in mm, and the same over the deviation of the truth",
    "summary": "describe().round(2)",
    "make_target": '    days["rain_mm"] = np.maximum(wetness * 2 - 5, 0).round(1)',
}


def write_kit(folder: Path, form: Form, title: str | None = None) -> list[Path]:
    """Write a kit, without its data, into a folder that is new or empty; the files, relative to it.

    The folder's name becomes the problem's. Raises KitError if it can be none, or if something is there already.
    """
    name = folder.name
    if not _NAME.fullmatch(name):
        raise KitError(
            f"{name!r} cannot be a problem's id: use 2 to 63 lower-case letters, digits, - and _, for example my_problem."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KitError(f"{folder} is there already, and is no empty folder. Name another one.")
    shown = title or name.replace("_", " ").replace("-", " ").capitalize()
    if not shown.isprintable() or any(character in shown for character in '"\\$'):
        raise KitError(f"A title is one line, without quotation marks, backslashes and dollar signs; this one is {shown!r}.")
    written = []
    for path, text in _contents(name, form, shown):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # The same bytes on every system.
        file.write_bytes(text.encode())
        written.append(Path(path))
    return written


def _contents(name: str, form: Form, title: str) -> Iterator[tuple[str, str]]:
    elements = " and ".join(_DEFINES[element] for element in form.elements)
    words = {
        **(_CLASSIFICATION if form.classifies else _REGRESSION),
        "title": title,
        "elements": elements,
        "workflow": form.workflow,
    }
    yield "problem.py", _text("problem", words)
    yield "prepare_data.py", _text("prepare_data", words)
    yield "README.md", _text("README", words)
    yield "requirements.txt", _text("requirements", words)
    yield ".gitignore", _text("gitignore", words)
    yield f"{name}_starting_kit.ipynb", notebook(_text("notebook", words))
    for element in form.elements:
        yield f"submissions/starting_kit/{element}.py", _text(element, words)


def _text(name: str, words: dict[str, str]) -> str:
    return Template(files(__name__).joinpath(f"{name}.txt").read_text("utf-8")).substitute(words)


def notebook(text: str) -> str:
    """A notebook (nbformat 4.5) of cells that begin with a line `%%`, or `%% markdown`."""
    parts = re.split(r"^%%(.*)\n", text, flags=re.MULTILINE)[1:]
    cells = [
        _cell(number, kind.strip(), source.strip("\n")) for number, (kind, source) in enumerate(zip(parts[::2], parts[1::2]))
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return (
        json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False)
        + "\n"
    )


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    cell = {"cell_type": kind or "code", "id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell if kind else {**cell, "execution_count": None, "outputs": []}
