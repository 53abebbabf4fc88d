"""A prepared problem of two folds, six rows to train on and four to test on, in two classes: what names its files, none of which there is."""

from shared.events import Metric
from shared.execution.prepared import Manifest, PredictionForm

SMALL_MANIFEST = Manifest(
    title="Small",
    elements=("classifier.py",),
    metrics=(Metric(name="acc", precision=2, is_lower_the_better=False, minimum=0, maximum=1),),
    score_kind="bag",
    n_folds=2,
    n_train=6,
    n_test=4,
    predictions=PredictionForm(is_ragged=False, shape=(2,), type="Multiclass"),
    kit="0" * 64,
    x_train="0" * 64,
    x_test=None,
    folds=(),
    environment="0" * 64,
    python_version="3.11",
)
