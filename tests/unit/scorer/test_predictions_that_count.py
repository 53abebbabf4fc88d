"""For which versions of a problem the predictions of a run count."""

import pytest

from services.scorer.passes import predictions_count
from shared.events import Metric
from shared.execution.prepared import PredictionForm
from tests.support.manifests import SMALL_MANIFEST

MANIFEST = SMALL_MANIFEST.model_copy(update={"x_train": "1" * 64, "x_test": "2" * 64, "folds": ("3" * 64, "4" * 64)})


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "Small, and right"},
        {"kit": "a" * 64},
        {"environment": "a" * 64, "python_version": "3.12"},
        {"metrics": (Metric(name="nll", precision=2, is_lower_the_better=True, minimum=0, maximum=None),)},
        {"score_kind": "mean"},
        {"predictions": PredictionForm(is_ragged=False, shape=(2,), type="Probabilities")},
    ],
)
def test_they_count_where_only_what_they_are_worth_differs(changed: dict[str, object]) -> None:
    assert predictions_count(MANIFEST, MANIFEST.model_copy(update=changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"x_train": "a" * 64},
        {"x_test": "a" * 64},
        {"x_test": None, "n_test": None},
        {"folds": ("3" * 64, "a" * 64)},
        {"folds": ("4" * 64, "3" * 64)},
        {"n_train": 7},
        {"n_test": 5},
        {"shown": ("images",), "shown_folders": "a" * 64},
        {"predictions": PredictionForm(is_ragged=False, shape=(3,), type="Multiclass")},
        {"predictions": PredictionForm(is_ragged=True, shape=(), type="Detections")},
    ],
)
def test_they_do_not_count_on_other_data_or_in_another_form(changed: dict[str, object]) -> None:
    other = MANIFEST.model_copy(update=changed)
    assert not predictions_count(MANIFEST, other)
    assert not predictions_count(other, MANIFEST)
