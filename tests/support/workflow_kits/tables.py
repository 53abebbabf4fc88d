"""Kits of rows of a table, and of circles in pictures."""

from __future__ import annotations

from tests.support.workflow_kits.kit import (
    CLASSES,
    CLASSIFIER_FILE,
    FEATURE_EXTRACTOR_FILE,
    FRAME,
    HEAD,
    NUMBERS,
    READ_CLASSES,
    READ_NUMBERS,
    REGRESSOR_FILE,
    Kit,
)

CLASSIFIER = Kit(
    f"{HEAD}{CLASSES}{FRAME}{READ_CLASSES}".replace("return X, words", "return X.to_numpy(), words")
    + "workflow = rw.workflows.Classifier()",
    {"classifier.py": CLASSIFIER_FILE},
)
REGRESSOR = Kit(
    f"{HEAD}{NUMBERS}{FRAME}"
    """
def read(path, seed, n):
    X, y = frame(seed, n)
    return X.to_numpy(), y

workflow = rw.workflows.Regressor(["forecaster"])
""",
    {"forecaster.py": REGRESSOR_FILE},
)
CLUSTERER = Kit(
    HEAD
    + """
Predictions = rw.prediction_types.make_clustering()
workflow = rw.workflows.Clusterer()
score_types = [rw.score_types.ClusteringEfficiency(name="eff")]


def get_cv(X, y):
    for even in (True, False):
        rows = y[:, 0] % 2 == 0
        yield np.flatnonzero(rows == even), np.flatnonzero(rows != even)


def read(path, seed, n):
    random = np.random.RandomState(seed)
    # Rows of an event need not stand together.
    rows = random.permutation([(event, cluster) for event in range(n // 10) for cluster in range(3) for _ in range(4)])
    X = np.column_stack([rows[:, 0], rows[:, 1] * 4 + random.normal(0, 0.5, size=len(rows))])
    return X, rows
""",
    {
        "clusterer.py": """
import numpy as np

class Clusterer:
    def fit(self, X, y):
        self.centres = np.array([X[y[:, 1] == cluster, 1].mean() for cluster in range(3)])

    def predict_single_event(self, X):
        return np.abs(X[:, :1] - self.centres).argmin(axis=1)
"""
    },
)
PIPELINE = Kit(
    f"{HEAD}{CLASSES}{FRAME}{READ_CLASSES}workflow = rw.workflows.SKLearnPipeline('model.py', ['columns.txt'])",
    {
        "model.py": """
from pathlib import Path
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

def get_estimator():
    columns = (Path(__file__).parent / "columns.txt").read_text().split()
    return make_pipeline(make_column_transformer(("passthrough", columns)), LogisticRegression())
""",
        "columns.txt": "a b",
    },
)
ESTIMATOR = Kit(
    f"{HEAD}{NUMBERS}{FRAME}{READ_NUMBERS}workflow = rw.workflows.Estimator()",
    {"estimator.py": "from sklearn.linear_model import Ridge\ndef get_estimator():\n    return Ridge(alpha=0.5)\n"},
)
_EXTERNAL_DATA = "name,weight\na,2.0\nb,0.5\nc,1.0\n"
EXTERNAL_DATA = Kit(
    f"{HEAD}{NUMBERS}{FRAME}{READ_NUMBERS}workflow = rw.workflows.EstimatorExternalData()",
    {
        "estimator.py": """
from pathlib import Path
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

def weighed(X):
    return X * pd.read_csv(Path(__file__).parent / "external_data.csv", index_col="name")["weight"]

def get_estimator():
    return make_pipeline(FunctionTransformer(weighed), Ridge(alpha=5))
""",
        "external_data.csv": _EXTERNAL_DATA,
    },
)
FEATURE_EXTRACTOR = Kit(
    f"{HEAD}{NUMBERS}{FRAME}{READ_NUMBERS}workflow = rw.workflows.FeatureExtractor()",
    {
        "feature_extractor.py": """
class FeatureExtractor:
    def fit(self, X_df, y):
        self.mean = y.mean()

    def transform(self, X_df):
        return X_df["a"].to_numpy() + self.mean
"""
    },
)
FEATURE_EXTRACTOR_CLASSIFIER = Kit(
    f"{HEAD}{CLASSES}{FRAME}{READ_CLASSES}workflow = rw.workflows.FeatureExtractorClassifier()",
    {"feature_extractor.py": FEATURE_EXTRACTOR_FILE, "classifier.py": CLASSIFIER_FILE},
)
FEATURE_EXTRACTOR_REGRESSOR = Kit(
    f"{HEAD}{NUMBERS}{FRAME}{READ_NUMBERS}workflow = rw.workflows.FeatureExtractorRegressor(['features', 'regressor'])",
    {"features.py": FEATURE_EXTRACTOR_FILE, "regressor.py": REGRESSOR_FILE},
)
AIR_PASSENGERS = Kit(
    f"{HEAD}{NUMBERS}{FRAME}{READ_NUMBERS}workflow = rw.workflows.AirPassengers()",
    {
        "feature_extractor.py": """
from pathlib import Path
import pandas as pd

class FeatureExtractor:
    def fit(self, X_df, y):
        pass

    def transform(self, X_df):
        weights = pd.read_csv(Path(__file__).parent / "external_data.csv", index_col="name")["weight"]
        return (X_df * weights).to_numpy()
""",
        "regressor.py": REGRESSOR_FILE,
        "external_data.csv": _EXTERNAL_DATA,
    },
)
CALIBRATOR = Kit(
    f"{HEAD}{CLASSES}{FRAME}{READ_CLASSES}workflow = rw.workflows.FeatureExtractorClassifierCalibrator()",
    {
        "feature_extractor.py": FEATURE_EXTRACTOR_FILE,
        "classifier.py": CLASSIFIER_FILE,
        "calibrator.py": """
import numpy as np
from sklearn.linear_model import LogisticRegression

class Calibrator:
    def fit(self, probabilities, y):
        self.n_seen = len(y)
        self.sure = LogisticRegression().fit(np.log(probabilities), y)

    def predict_proba(self, probabilities):
        return self.sure.predict_proba(np.log(probabilities))
""",
    },
    is_ramps=False,
)
DRUG_SPECTRA = Kit(
    f"{HEAD}{FRAME}"
    """
Predictions = rw.prediction_types.make_combined(
    [
        rw.prediction_types.make_multiclass(label_names=["high", "low"]),
        rw.prediction_types.make_regression(label_names=["number"]),
    ]
)
workflow = rw.workflows.DrugSpectra()
score_types = [rw.score_types.MakeCombined(rw.score_types.RMSE(name="rmse"), 1)]


def get_cv(X, y):
    return StratifiedShuffleSplit(n_splits=2, test_size=0.3, random_state=1).split(X, y[:, 0])


def read(path, seed, n):
    X, numbers = frame(seed, n)
    y = np.empty((n, 2), dtype=object)
    y[:, 0], y[:, 1] = words(numbers), numbers
    return X, y
""",
    {
        "feature_extractor_clf.py": FEATURE_EXTRACTOR_FILE,
        "classifier.py": CLASSIFIER_FILE.replace(
            "    pass", "    def fit(self, X, y):\n        return super().fit(X, y.astype(str))"
        ),
        "feature_extractor_reg.py": """
class FeatureExtractor:
    def fit(self, X_df, y):
        pass

    def transform(self, X_df):
        return X_df[["a", "b", "c", "high", "low"]].to_numpy().astype(float)
""",
        "regressor.py": REGRESSOR_FILE,
    },
)
GRID = Kit(
    f"{HEAD}{CLASSES}"
    """
import xarray as xr


def read(path, seed, n):
    random = np.random.RandomState(seed)
    labels = np.where(np.arange(n) % 3 == 0, "high", "low")
    field = random.normal(size=(n, 4, 5)) + (labels == "high")[:, None, None]
    X = xr.Dataset({"pressure": (("enstime", "lat", "lon"), field)}, coords={"enstime": np.arange(n), "lat": np.arange(4.0)})
    return X, labels


workflow = rw.workflows.GridFeatureExtractorClassifier()
""",
    {
        "feature_extractor.py": """
class FeatureExtractor:
    def fit(self, X_ds, y):
        self.mean = float(X_ds["pressure"].mean())

    def transform(self, X_ds):
        return X_ds["pressure"].values.reshape(X_ds.sizes["enstime"], -1) - self.mean
""",
        "classifier.py": CLASSIFIER_FILE,
    },
    needs="xarray",
)
DETECTOR = Kit(
    HEAD
    + """
Predictions = rw.prediction_types.make_detection()
workflow = rw.workflows.ObjectDetector()
score_types = [rw.score_types.DetectionRecall(name="recall")]


def get_cv(X, y):
    return KFold(2).split(X)


def read(path, seed, n):
    random = np.random.RandomState(seed)
    X = random.uniform(0, 0.5, size=(n, 6, 6))
    y = np.empty(n, dtype=object)
    for row in range(n):
        y[row] = [(k, 2 * k + 1, 1.0) for k in range(row % 4)]
        for line, column, _ in y[row]:
            X[row, line, column] = 1
    return X, y
""",
    {
        "object_detector.py": """
import numpy as np
from LIBRARY.workflows.object_detector import BatchGeneratorBuilder

class ObjectDetector:
    def fit(self, X, y):
        train, valid, n_train, n_valid = BatchGeneratorBuilder(X, y).get_train_valid_generators(batch_size=7, valid_ratio=0.3)
        seen = 0
        highest = []
        # One pass, and into the next.
        while seen < n_train + 5:
            X_batch, y_batch = next(train)
            seen += len(X_batch)
            highest += [image.max() for image, objects in zip(X_batch, y_batch) if not objects]
        self.threshold = np.mean(highest) + 0.001 * len(next(valid)[0])

    def predict(self, X):
        found = np.empty(len(X), dtype=object)
        for row, image in enumerate(X):
            found[row] = [(image[line, column], line, column, 1.0) for line, column in np.argwhere(image > self.threshold).tolist()]
        return found
"""
    },
)
