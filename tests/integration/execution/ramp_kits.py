"""Small kits written the RAMP way, one for each kind of problem: sources of `problem.py` and of the starter, and their data."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RampKit:
    problem: str
    starter: dict[str, str]
    data: dict[str, str] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        files = {"problem.py": self.problem.encode()}
        files |= {f"submissions/starting_kit/{name}": text.encode() for name, text in self.starter.items()}
        return files | {f"data/{name}": text.encode() for name, text in self.data.items()}


_TABLE = "a,b,target\n" + "\n".join(
    f"{(i * 7919) % 101 / 50 - 1},{(i * 104729) % 97 / 50 - 1},{((i * 7919) % 101) * 0.3 + i % 5}" for i in range(90)
)
_READ = """
import os
import numpy as np
import pandas as pd
import rampwf as rw
from sklearn.model_selection import KFold, ShuffleSplit

def _table(path, name):
    return pd.read_csv(os.path.join(path, "data", name))
"""

REGRESSION = RampKit(
    _READ
    + """
problem_title = "A table and a number, without a test set"
Predictions = rw.prediction_types.make_regression()
workflow = rw.workflows.FeatureExtractorRegressor()
score_types = [rw.score_types.RMSE(), rw.score_types.RelativeRMSE(name="rel_rmse"), rw.score_types.MARE()]
leaderboard_score_kind = "mean"

def get_cv(X, y):
    # Folds that overlap and do not cover every row.
    return ShuffleSplit(n_splits=4, test_size=0.3, random_state=5).split(X)

def get_train_data(path="."):
    table = _table(path, "train.csv").set_index(pd.Index([f"row{i}" for i in range(90)]))
    y = table.pop("target").to_numpy()
    return table, y

def get_test_data(path="."):
    return None, None
""",
    {
        "feature_extractor.py": "class FeatureExtractor:\n    def fit(self, X, y): pass\n    def transform(self, X): return X.to_numpy() ** 2\n",
        "regressor.py": "from sklearn.linear_model import Ridge\n\nclass Regressor(Ridge): pass\n",
    },
    {"train.csv": _TABLE},
)

COMBINED = RampKit(
    _READ
    + """
problem_title = "A class and a number at once, as in mechanics"
labels = ["low", "high"]
Predictions = rw.prediction_types.make_combined(
    [rw.prediction_types.make_multiclass(label_names=labels), rw.prediction_types.make_regression(label_names=["target"])]
)

class Both:
    element_names = ["classifier", "regressor"]

    def __init__(self):
        self.classifier, self.regressor = rw.workflows.Classifier(["classifier"]), rw.workflows.Regressor(["regressor"])

    def train_submission(self, module_path, X, y, train_is=None):
        return (
            self.classifier.train_submission(module_path, X, y[:, 0], train_is),
            self.regressor.train_submission(module_path, X, y[:, 1].astype(float), train_is),
        )

    # Some of RAMP's workflows want the fold, too.
    def test_submission(self, models, X, fold):
        assert fold is None or len(fold) == 2
        proba = self.classifier.test_submission(models[0], X)
        return np.concatenate([proba, self.regressor.test_submission(models[1], X).reshape(-1, 1)], axis=1)

workflow = Both()
_acc, _rmse = rw.score_types.ClassificationError(name="err"), rw.score_types.RMSE(name="rmse")
score_types = [
    rw.score_types.Combined([_acc, _rmse], [2.0, 1.0], name="both"),
    rw.score_types.MakeCombined(_acc, 0),
    rw.score_types.MakeCombined(_rmse, 1),
]

def get_cv(X, y):
    return list(KFold(3).split(X))

def _read(path, rows):
    table = _table(path, "table.csv")[rows]
    y = np.empty((len(table), 2), dtype=object)
    y[:, 0] = np.where(table["target"] > 15, "high", "low")
    y[:, 1] = table["target"]
    return table[["a", "b"]].to_numpy(), y

def get_train_data(path="."):
    return _read(path, slice(0, 60))

def get_test_data(path="."):
    return _read(path, slice(60, None))
""",
    {
        "classifier.py": "from sklearn.linear_model import LogisticRegression\n\nclass Classifier(LogisticRegression):\n"
        "    def fit(self, X, y):\n        return super().fit(X, y.astype(str))\n",
        "regressor.py": "from sklearn.tree import DecisionTreeRegressor\n\nclass Regressor(DecisionTreeRegressor):\n"
        "    def __init__(self):\n        super().__init__(max_depth=3, random_state=1)\n",
    },
    {"table.csv": _TABLE},
)

CLUSTERING = RampKit(
    _READ
    + """
problem_title = "Clusters within events"
Predictions = rw.prediction_types.make_clustering()
workflow = rw.workflows.Clusterer()
score_types = [rw.score_types.ClusteringEfficiency(name="eff")]

def get_cv(X, y):
    events = np.unique(y[:, 0])
    for train, valid in ShuffleSplit(n_splits=2, test_size=0.4, random_state=3).split(events):
        yield np.flatnonzero(np.isin(y[:, 0], events[train])), np.flatnonzero(np.isin(y[:, 0], events[valid]))

def _read(seed, n_events):
    random = np.random.RandomState(seed)
    events, X, clusters = [], [], []
    for event in range(n_events):
        for cluster in range(3):
            points = random.normal(cluster * 4, 1, size=(8, 2))
            X += [[event, *point] for point in points]
            clusters += [[event, cluster]] * 8
    return np.array(X), np.array(clusters)

def get_train_data(path="."):
    return _read(0, 10)

def get_test_data(path="."):
    return _read(1, 4)
""",
    {
        "clusterer.py": "import numpy as np\n\nclass Clusterer:\n    def fit(self, X, y): pass\n"
        "    def predict_single_event(self, X): return np.digitize(X[:, 0], [2, 6])\n"
    },
)

DETECTION = RampKit(
    _READ
    + """
problem_title = "Circles in pictures, as in Mars craters"
Predictions = rw.prediction_types.make_detection()
workflow = rw.workflows.ObjectDetector()
score_types = [
    rw.score_types.DetectionAveragePrecision(name="ap"),
    rw.score_types.OSPA(),
    rw.score_types.DetectionPrecision(name="prec"),
    rw.score_types.DetectionRecall(name="rec"),
    rw.score_types.SCP(shape=(30, 30), minipatch=[0, 30, 0, 30]),
    rw.score_types.MADCenter(name="madc"),
    rw.score_types.MADRadius(name="madr"),
]

def get_cv(X, y):
    # Overlapping validation sets: bagging has detections to merge.
    return list(ShuffleSplit(n_splits=3, test_size=0.5, random_state=2).split(X))

def _read(seed, n):
    random = np.random.RandomState(seed)
    X = random.uniform(0, 1, size=(n, 30, 30)).astype("uint8")
    y = np.empty(n, dtype=object)
    for i in range(n):
        y[i] = [(float(5 + 9 * k), 15.0, 4.0) for k in range(i % 3)]
    return X, y

def get_train_data(path="."):
    return _read(0, 20)

def get_test_data(path="."):
    return _read(1, 7)
""",
    {
        "object_detector.py": """import numpy as np

class ObjectDetector:
    def fit(self, X, y):
        self.shift = 0.1 * sum(len(circles) for circles in y)

    def predict(self, X):
        found = np.empty(len(X), dtype=object)
        for i in range(len(X)):
            found[i] = [(0.9 - 0.1 * k, 5 + 9 * k + self.shift, 15.0, 4.0) for k in range((i + 1) % 3)]
        return found
"""
    },
)

RAMP_KITS = {"regression": REGRESSION, "combined": COMBINED, "clustering": CLUSTERING, "detection": DETECTION}
