"""The same computations by either library: under ramp-workflow as a script, under palio as an imported module.

As a script it answers until its standard input ends: a line `[function, arguments]` as JSON in, a line with the result out.
"""

from __future__ import annotations

import io
import json
import runpy
import sys
import warnings
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

import numpy as np

#: Every metric to the arguments that it is made with.
CLASSIFIERS: dict[str, dict[str, Any]] = {
    "Accuracy": {},
    "BalancedAccuracy": {},
    "ClassificationError": {},
    "F1Above": {"threshold": 0.3},
    "MacroAveragedRecall": {},
    "NegativeLogLikelihood": {},
    "NormalizedGini": {},
    "SoftAccuracy": {"score_matrix": None},
}
BINARY: dict[str, dict[str, Any]] = {
    "ROCAUC": {},
    "BrierScore": {},
    "BrierSkillScore": {},
    "BrierScoreReliability": {},
    "BrierScoreResolution": {},
}
DETECTORS: dict[str, dict[str, Any]] = {
    "OSPA": {},
    "SCP": {"shape": [40, 40]},
    "DetectionPrecision": {},
    "DetectionRecall": {"iou_threshold": 0.3},
    "MADCenter": {"iou_threshold": 0.3},
    "MADRadius": {"conf_threshold": 0.2},
}
REGRESSORS: dict[str, dict[str, Any]] = {"RMSE": {}, "RelativeRMSE": {}, "NormalizedRMSE": {}, "MARE": {}}


def multiclass_scores(rw: Any, cases: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Scores of cases with `n_classes`, `labels` (n_rows,), `y_pred` (n_rows, n_classes) and its `dtype`."""
    return [_multiclass_scores(rw, case) for case in cases]


def _multiclass_scores(rw: Any, case: dict[str, Any]) -> dict[str, float]:
    n_classes = case["n_classes"]
    make = rw.prediction_types.make_multiclass(label_names=list(range(n_classes)))
    truth = make(y_true=np.array(case["labels"]))
    predictions = make(y_pred=np.array(case["y_pred"], dtype=case["dtype"]))
    scores = {}
    for name, options in {**CLASSIFIERS, **(BINARY if n_classes == 2 else {})}.items():
        filled = {key: _soft_matrix(n_classes) if value is None else value for key, value in options.items()}
        metric = getattr(rw.score_types, name)(**filled)
        if name == "BrierScoreReliability":
            # RAMP's bins all stand for one probability; ours for their middles. With RAMP's, both say the same.
            metric.bin_centers = np.full(len(metric.bins) - 1, 0.005)
        scores[name] = float(metric.score_function(truth, predictions))
    return scores


def _soft_matrix(n_classes: int) -> Any:
    distance = np.abs(np.subtract.outer(np.arange(n_classes), np.arange(n_classes)))
    return np.clip(1 - distance / 2, 0, 1)


def regression_scores(rw: Any, cases: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Scores of cases with `y_true` and `y_pred`: (n_rows,) or (n_rows, n_targets)."""
    return [_regression_scores(rw, case) for case in cases]


def _regression_scores(rw: Any, case: dict[str, Any]) -> dict[str, float]:
    truth, predicted = np.array(case["y_true"]), np.array(case["y_pred"])
    names = [f"target {index}" for index in range(truth.shape[1])] if truth.ndim == 2 else []
    make = rw.prediction_types.make_regression(label_names=names)
    pair = make(y_true=truth), make(y_pred=predicted)
    return {name: float(getattr(rw.score_types, name)().score_function(*pair)) for name in REGRESSORS}


def detection_scores(rw: Any, cases: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Scores of cases with `y_true` and `y_pred`, a list of circles for each image, and a `minipatch` or None."""
    return [_detection_scores(rw, case) for case in cases]


def _detection_scores(rw: Any, case: dict[str, Any]) -> dict[str, float]:
    make = rw.prediction_types.make_detection()
    # One image more, so that images with equally many circles are not taken for a table by RAMP.
    truth, predicted = make(y_true=[*case["y_true"], []]), make(y_pred=[*case["y_pred"], []])
    scores = {"DetectionAveragePrecision": rw.score_types.DetectionAveragePrecision().score_function(truth, predicted)}
    for name, options in DETECTORS.items():
        metric = getattr(rw.score_types, name)(**options, minipatch=case["minipatch"])
        scores[name] = float(metric.score_function(truth, predicted))
    return scores


def clustering_scores(rw: Any, cases: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Scores of cases with `y_true` and `y_pred`: (n_rows, 2)."""
    make = rw.prediction_types.make_clustering()
    metric = rw.score_types.ClusteringEfficiency()
    return [
        {
            "ClusteringEfficiency": float(
                metric.score_function(make(y_true=np.array(each["y_true"])), make(y_pred=np.array(each["y_pred"])))
            )
        }
        for each in cases
    ]


def combined_scores(rw: Any, cases: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Scores and the first bagged column of cases with `y_true`, (n_rows, 2): class and number, and `folds` of `y_pred`."""
    return [_combined_scores(rw, case) for case in cases]


def _combined_scores(rw: Any, case: dict[str, Any]) -> dict[str, float]:
    kinds, scores = rw.prediction_types, rw.score_types
    make = kinds.make_combined([kinds.make_multiclass([0.0, 1.0, 2.0]), kinds.make_regression(["number"])])
    truth = make(y_true=np.array(case["y_true"]))
    spread = []
    for fold in case["folds"]:
        whole = make(n_samples=len(case["y_true"]))
        whole.set_valid_in_train(make(y_pred=np.array(fold)), np.arange(len(case["y_true"])))
        spread.append(whole)
    bagged = make.combine(spread)
    metrics = [
        scores.MakeCombined(scores.ClassificationError(name="error"), 0),
        scores.MakeCombined(scores.MARE(name="mare"), 1),
        scores.Combined([scores.ClassificationError(), scores.MARE()], [2 / 3, 1 / 3], name="both"),
    ]
    found = {metric.name: float(metric.score_function(truth, bagged)) for metric in metrics}
    return found | {"maximum": float(metrics[2].maximum), "mean": float(bagged.y_pred.mean())}


def merged_detections(rw: Any, cases: list[list[Any]]) -> list[Any]:
    """Circles that the predictions of each case agree on; every prediction a list of circles for each image."""
    make = rw.prediction_types.make_detection()
    merged = []
    for case in cases:
        combined = make.combine([make(y_pred=[*each, None]) for each in case])
        merged.append([sorted(np.asarray(circle).tolist() for circle in image) for image in combined.y_pred[:-1]])
    return merged


def folds(rw: Any, cases: list[dict[str, Any]]) -> list[Any]:
    """Rows of each fold of cases with the name of the `scheme`, its `options` and `y`."""
    # numpy 2.4 has it under this name alone.
    setattr(np, "in1d", np.isin)  # noqa: B010 - numpy's types do not know it
    made = []
    for case in cases:
        scheme = getattr(rw.cvs, case["scheme"])(**case["options"])
        made.append([[rows.tolist() for rows in fold] for fold in scheme.get_cv(None, np.array(case["y"]))])
    return made


def bags(rw: Any, cases: list[dict[str, Any]]) -> list[Any]:
    """Bagged predictions of cases with `n_rows`, `n_columns` (0: regression) and folds of `rows` and `y_pred`."""
    return [_bag(rw, case) for case in cases]


def _bag(rw: Any, case: dict[str, Any]) -> Any:
    n_columns = case["n_columns"]
    kinds = rw.prediction_types
    make = kinds.make_multiclass(label_names=list(range(n_columns))) if n_columns else kinds.make_regression(label_names=[])
    spread = []
    for fold in case["folds"]:
        whole = make(n_samples=case["n_rows"])
        whole.set_valid_in_train(make(y_pred=np.array(fold["y_pred"])), np.array(fold["rows"]))
        spread.append(whole)
    combined = make.combine(spread)
    valid = combined.valid_indexes
    combined.set_slice(valid)
    return [valid.tolist(), combined.y_pred.tolist()]


def blend_case(rw: Any, case: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    """The metric, the truth and the candidates' predictions of a case with `metric`, `n_classes` (0: regression), `y_true`, `y_preds`, `dtype`."""
    kinds, n_classes = rw.prediction_types, case["n_classes"]
    make = kinds.make_multiclass(label_names=list(range(n_classes))) if n_classes else kinds.make_regression(label_names=[])
    predictions = [make(y_pred=np.array(y_pred, dtype=case["dtype"])) for y_pred in case["y_preds"]]
    return getattr(rw.score_types, case["metric"])(), make(y_true=np.array(case["y_true"])), predictions


def blends(rw: Any, cases: list[dict[str, Any]]) -> list[list[int]]:
    """What ramp-workflow itself picks of the candidates of each case."""
    blend_on_fold = import_module("rampwf.utils.testing").blend_on_fold
    picks = []
    for case in cases:
        metric, truths, predictions = blend_case(rw, case)
        picks.append([int(pick) for pick in blend_on_fold(predictions, truths, metric)])
    return picks


def trial(_: Any, kit: str, submission: str) -> dict[str, Any]:
    """What ramp-workflow itself makes of a submission: scores of each fold, and bagged."""
    utils = {name: import_module(f"rampwf.utils.{name}") for name in ("combine", "submission", "testing")}
    get_score_cv_bags = utils["combine"].get_score_cv_bags
    problem = utils["testing"].assert_read_problem(kit)
    train, test = problem.get_train_data(path=kit), problem.get_test_data(path=kit)
    y, y_test = train[1], test[1]
    cv = list(problem.get_cv(*train))
    folds = [utils["submission"].run_submission_on_cv_fold(problem, submission, fold, *train, *test) for fold in cv]
    bagged: dict[str, dict[str, float]] = {}
    for metric in problem.score_types:
        valid = get_score_cv_bags(metric, [fold[0] for fold in folds], problem.Predictions(y_true=y), [is_[1] for is_ in cv])
        tested = get_score_cv_bags(metric, [fold[1] for fold in folds], problem.Predictions(y_true=y_test))
        bagged[metric.name] = {"valid": float(valid[1][-1]), "test": float(tested[1][-1])}
    scores = [frame.drop(columns="time").to_dict() for _, _, frame in folds]
    return {"folds": scores, "bagged": bagged}


def kept_output(_: Any, kit: str, submission: str) -> None:
    """Do what `ramp-test --save-output --retrain --pickle` does."""
    folders = {"ramp_kit_dir": kit, "ramp_data_dir": kit, "ramp_submission_dir": f"{kit}/submissions"}
    testing = import_module("rampwf.utils.testing")
    with redirect_stdout(io.StringIO()):
        testing.assert_submission(**folders, submission=submission, is_pickle=True, save_output=True, retrain=True)


def blended_output(_: Any, kit: str, submissions: list[str], metric: int) -> None:
    """Do what `ramp-blend --save-output` does; `metric` is the place of the one that picks."""
    folders = {"ramp_kit_dir": kit, "ramp_data_dir": kit, "ramp_submission_dir": f"{kit}/submissions"}
    testing = import_module("rampwf.utils.testing")
    with redirect_stdout(io.StringIO()):
        testing.blend_submissions(submissions, **folders, save_output=True, score_type_index=metric)


def workflow_names(rw: Any) -> list[str]:
    """The workflows that the library offers."""
    return list(rw.workflows.__all__)


def workflow_predictions(_: Any, kit: str, sources: str | None = None) -> list[list[Any]]:
    """What the starter of a kit predicts for its training and its test data, fold by fold.

    The kit names the library that it is written with; `sources` is where to find it, if it is not installed.
    """
    if sources is not None and sources not in sys.path:
        sys.path.append(sources)
    problem = runpy.run_path(f"{kit}/problem.py")
    workflow, submission = problem["workflow"], f"{kit}/submissions/starting_kit"
    X, y = problem["get_train_data"](kit)
    X_test, _y_test = problem["get_test_data"](kit)
    found = []
    for train_is, _valid_is in problem["get_cv"](X, y):
        model = workflow.train_submission(submission, X, y, train_is)
        sets = [data for data in (X, X_test) if data is not None]
        found.append([np.asarray(workflow.test_submission(model, data)).tolist() for data in sets])
    return found


if __name__ == "__main__":
    import rampwf

    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        function, arguments = json.loads(line)
        print(json.dumps(globals()[function](rampwf, *arguments)), file=answers, flush=True)
