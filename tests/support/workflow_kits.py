"""A small kit for each kind of workflow: its `problem.py`, a submission, and data made with a seed.

All are written with `import palio as rw`; with `import rampwf as rw` in its place they are kits of ramp-workflow.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_HEAD = """
import os

import numpy as np
import pandas as pd
import palio as rw
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedShuffleSplit, TimeSeriesSplit

problem_title = "A kit for a test"


def get_train_data(path="."):
    return read(path, 0, 60)


def get_test_data(path="."):
    return read(path, 1, 20)

"""
_CLASSES = """
Predictions = rw.prediction_types.make_multiclass(label_names=["high", "low"])
score_types = [rw.score_types.NegativeLogLikelihood(name="nll")]


def get_cv(X, y):
    return StratifiedShuffleSplit(n_splits=2, test_size=0.3, random_state=1).split(np.zeros(len(y)), y)

"""
_NUMBERS = """
Predictions = rw.prediction_types.make_regression()
score_types = [rw.score_types.RMSE(name="rmse")]


def get_cv(X, y):
    return KFold(2).split(np.zeros(len(y)))

"""
_FRAME = """
def frame(seed, n):
    random = np.random.RandomState(seed)
    X = pd.DataFrame(random.normal(size=(n, 3)), columns=["a", "b", "c"], index=[f"row{i}" for i in range(n)])
    return X, X["a"].to_numpy() - 2 * X["b"].to_numpy() + random.normal(0, 0.3, size=n)


def words(numbers):
    return np.where(numbers > 0, "high", "low")

"""
_READ_CLASSES = """
def read(path, seed, n):
    X, numbers = frame(seed, n)
    return X, words(numbers)

"""
_READ_NUMBERS = """
def read(path, seed, n):
    return frame(seed, n)

"""

_FEATURE_EXTRACTOR = """
import numpy as np

class FeatureExtractor:
    def fit(self, X_df, y):
        self.mean = X_df.mean()

    def transform(self, X_df):
        centred = (X_df - self.mean).to_numpy()
        return np.column_stack([centred, centred ** 2])
"""
_CLASSIFIER = """
from sklearn.linear_model import LogisticRegression

class Classifier(LogisticRegression):
    pass
"""
_REGRESSOR = """
from sklearn.linear_model import Ridge

class Regressor(Ridge):
    pass
"""


@dataclass(frozen=True)
class Kit:
    """A kit's files. `needs` names a library without which it cannot run; `is_ramps`: ramp-workflow has its workflow, too."""

    problem: str
    submission: Mapping[str, str]
    data: Mapping[str, bytes] = field(default_factory=dict)
    needs: str | None = None
    is_ramps: bool = True

    def write(self, folder: Path, library: str = "palio") -> Path:
        """Write the kit for this library, with its submission `starting_kit`."""
        files = {"problem.py": self.problem.replace("import palio as rw", f"import {library} as rw").encode(), **self.data}
        files |= {
            f"submissions/starting_kit/{name}": text.replace("LIBRARY", library).encode()
            for name, text in self.submission.items()
        }
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder


CLASSIFIER = Kit(
    f"{_HEAD}{_CLASSES}{_FRAME}{_READ_CLASSES}".replace("return X, words", "return X.to_numpy(), words")
    + "workflow = rw.workflows.Classifier()",
    {"classifier.py": _CLASSIFIER},
)
REGRESSOR = Kit(
    f"{_HEAD}{_NUMBERS}{_FRAME}"
    """
def read(path, seed, n):
    X, y = frame(seed, n)
    return X.to_numpy(), y

workflow = rw.workflows.Regressor(["forecaster"])
""",
    {"forecaster.py": _REGRESSOR},
)
CLUSTERER = Kit(
    _HEAD
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
    f"{_HEAD}{_CLASSES}{_FRAME}{_READ_CLASSES}workflow = rw.workflows.SKLearnPipeline('model.py', ['columns.txt'])",
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
    f"{_HEAD}{_NUMBERS}{_FRAME}{_READ_NUMBERS}workflow = rw.workflows.Estimator()",
    {"estimator.py": "from sklearn.linear_model import Ridge\ndef get_estimator():\n    return Ridge(alpha=0.5)\n"},
)
_EXTERNAL_DATA = "name,weight\na,2.0\nb,0.5\nc,1.0\n"
EXTERNAL_DATA = Kit(
    f"{_HEAD}{_NUMBERS}{_FRAME}{_READ_NUMBERS}workflow = rw.workflows.EstimatorExternalData()",
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
    f"{_HEAD}{_NUMBERS}{_FRAME}{_READ_NUMBERS}workflow = rw.workflows.FeatureExtractor()",
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
    f"{_HEAD}{_CLASSES}{_FRAME}{_READ_CLASSES}workflow = rw.workflows.FeatureExtractorClassifier()",
    {"feature_extractor.py": _FEATURE_EXTRACTOR, "classifier.py": _CLASSIFIER},
)
FEATURE_EXTRACTOR_REGRESSOR = Kit(
    f"{_HEAD}{_NUMBERS}{_FRAME}{_READ_NUMBERS}workflow = rw.workflows.FeatureExtractorRegressor(['features', 'regressor'])",
    {"features.py": _FEATURE_EXTRACTOR, "regressor.py": _REGRESSOR},
)
AIR_PASSENGERS = Kit(
    f"{_HEAD}{_NUMBERS}{_FRAME}{_READ_NUMBERS}workflow = rw.workflows.AirPassengers()",
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
        "regressor.py": _REGRESSOR,
        "external_data.csv": _EXTERNAL_DATA,
    },
)
CALIBRATOR = Kit(
    f"{_HEAD}{_CLASSES}{_FRAME}{_READ_CLASSES}workflow = rw.workflows.FeatureExtractorClassifierCalibrator()",
    {
        "feature_extractor.py": _FEATURE_EXTRACTOR,
        "classifier.py": _CLASSIFIER,
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
    f"{_HEAD}{_FRAME}"
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
        "feature_extractor_clf.py": _FEATURE_EXTRACTOR,
        "classifier.py": _CLASSIFIER.replace(
            "    pass", "    def fit(self, X, y):\n        return super().fit(X, y.astype(str))"
        ),
        "feature_extractor_reg.py": """
class FeatureExtractor:
    def fit(self, X_df, y):
        pass

    def transform(self, X_df):
        return X_df[["a", "b", "c", "high", "low"]].to_numpy().astype(float)
""",
        "regressor.py": _REGRESSOR,
    },
)
_SERIES = """
N_BURN_IN = 4
score_types = [rw.score_types.RMSE(name="rmse")]


def get_cv(X, y):
    return TimeSeriesSplit(2).split(y)


def read(path, seed, n):
    random = np.random.RandomState(seed)
    level = np.cumsum(random.normal(size=(n + N_BURN_IN + 1, 2, 2)), axis=0)
    X = series(level[:-1])
    X.attrs["n_burn_in"] = N_BURN_IN
    return X, level.mean(axis=(1, 2))[N_BURN_IN + 1:]

"""
#: Fits to all rows but the last ones, which RAMP pairs with the targets of their neighbours.
_REGRESSOR_OF_SERIES = """
from sklearn.linear_model import Ridge

class Regressor:
    def fit(self, X, y):
        self.ridge = Ridge().fit(X[:-4], y[:-4])

    def predict(self, X):
        return self.ridge.predict(X)
"""
_EXTRACTOR_OF_SERIES = """
import numpy as np

class FeatureExtractor:
    def transform(self, X):
        level = X["level"].values.mean(axis=(1, 2))
        n_burn_in = X.n_burn_in
        return np.column_stack([level[n_burn_in - lag:len(level) - lag] for lag in range(n_burn_in + 1)])
"""
_DATASET = """
import xarray as xr


def series(level):
    n = len(level)
    return xr.Dataset(
        {"level": (("time", "lat", "lon"), level), "month": ("time", np.arange(n) % 12.0)},
        coords={"time": np.arange(n) * 3},
    )

"""
EL_NINO = Kit(
    f"{_HEAD}Predictions = rw.prediction_types.make_regression(){_SERIES}{_DATASET}"
    "workflow = rw.workflows.ElNino(check_sizes=[15, 12], check_indexs=[10, 3])",
    {"ts_feature_extractor.py": _EXTRACTOR_OF_SERIES, "regressor.py": _REGRESSOR_OF_SERIES},
    needs="xarray",
)
#: With what RAMP's check against looking ahead fails for: integers, and a variable that is the same at all times.
EL_NINO_OF_ALL_KINDS = Kit(
    EL_NINO.problem.replace("% 12.0)", '% 12), "height": ("lat", [1.0, 2.0])'),
    EL_NINO.submission,
    needs="xarray",
    is_ramps=False,
)
TS_FEATURE_EXTRACTOR = Kit(
    f"{_HEAD}Predictions = rw.prediction_types.make_regression(label_names=list('abcde')){_SERIES}{_DATASET}".replace(
        "return X, level.mean(axis=(1, 2))[N_BURN_IN + 1:]",
        "return X, np.repeat(level.mean(axis=(1, 2))[N_BURN_IN + 1:, np.newaxis], 5, axis=1)",
    )
    + "workflow = rw.workflows.TimeSeriesFeatureExtractor([15], [10], ['my_features'])",
    {"my_features.py": _EXTRACTOR_OF_SERIES},
    needs="xarray",
)
SERIES_IN_A_FRAME = Kit(
    f"{_HEAD}Predictions = rw.prediction_types.make_regression(){_SERIES}"
    """
def series(level):
    weather = np.where(np.arange(len(level)) % 3 == 0, "rain", "sun")
    index = pd.date_range("2020-01-01", periods=len(level), freq="D", name="day")
    return pd.DataFrame({"level": level.mean(axis=(1, 2)), "weather": weather}, index=index)


workflow = rw.workflows.ElNino(check_sizes=[15, 12], check_indexs=[10, 3])
""",
    {
        "ts_feature_extractor.py": """
import pandas as pd

class FeatureExtractor:
    def fit(self, X, y):
        assert len(X) == len(y) + 4

    def transform(self, X):
        lagged = [X["level"].shift(lag) for lag in range(5)]
        return pd.concat([*lagged, X["weather"] == "rain"], axis=1).iloc[X.attrs["n_burn_in"]:].to_numpy(dtype=float)
""",
        "regressor.py": _REGRESSOR,
    },
    is_ramps=False,
)
GRID = Kit(
    f"{_HEAD}{_CLASSES}"
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
        "classifier.py": _CLASSIFIER,
    },
    needs="xarray",
)
DETECTOR = Kit(
    _HEAD
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


def _images(suffix: str) -> dict[str, bytes]:
    """Pictures of stripes across or along in the first 60 files, the training set, and in 20 more."""
    random = np.random.default_rng(5)
    files = {}
    for number in range(80):
        lines, columns = np.mgrid[:6, :8]
        stripes = (lines if number % 2 else columns) % 2
        picture = (random.integers(0, 150, size=(6, 8, 3)) + 100 * stripes[:, :, np.newaxis]).astype(np.uint8)
        # The one format of pictures that needs no library to write.
        content = b"P6 8 6 255\n" + picture.tobytes()
        if suffix == "npy":
            buffer = io.BytesIO()
            np.save(buffer, picture)
            content = buffer.getvalue()
        files[f"data/images/{number}.{suffix}"] = content
    return files


_READ_IMAGES = """
def read(path, seed, n):
    numbers = np.arange(n) + 60 * seed
    names = np.array([f"{number}.ppm" for number in numbers])
    return (os.path.join(path, "data", "images"), names), numbers % 2

"""
_CLASSES_OF_IMAGES = _CLASSES.replace('["high", "low"]', "[0, 1]")
_STRIPES = """
    def features(self, X):
        grey = np.asarray(X, dtype=float)
        return np.column_stack([np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)])
"""
_IMAGE_CLASSIFIER = {
    "image_preprocessor.py": """
def transform(image):
    return image.mean(axis=2) / 256

def transform_test(image):
    return image.mean(axis=2) / 255
""",
    "batch_classifier.py": f"""
import numpy as np
from sklearn.linear_model import LogisticRegression
from LIBRARY.workflows.image_classifier import get_nb_minibatches

class BatchClassifier:
    def fit(self, gen_builder):
        train, valid, n_train, n_valid = gen_builder.get_train_valid_generators(batch_size=4, valid_ratio=0.2)
        # Batches end where chunks end, so that there may be more of them.
        batches = [next(train) for _ in range(get_nb_minibatches(n_train, 4) + 3)]
        assert next(valid)[1].shape == (4, 2)
        X, y = (np.concatenate(parts) for parts in zip(*batches))
        assert X.shape[1:] == (1, 6, 8) and X.dtype == "float32"
        self.model = LogisticRegression(C=100).fit(self.features(X[:, 0]), y.argmax(axis=1))

    def predict_proba(self, X):
        assert len(X) <= 5
        return self.model.predict_proba(self.features(X[:, 0]))
{_STRIPES}
""",
}
IMAGES = Kit(
    f"{_HEAD}{_CLASSES_OF_IMAGES}{_READ_IMAGES}workflow = rw.workflows.ImageClassifier(5, 9, n_jobs=2, n_classes=2)",
    _IMAGE_CLASSIFIER,
    _images("ppm"),
    needs="skimage",
)
IMAGES_AS_ARRAYS = Kit(
    IMAGES.problem.replace(".ppm", ".npy"),
    _IMAGE_CLASSIFIER,
    _images("npy"),
    is_ramps=False,
)
SIMPLIFIED_IMAGES = Kit(
    f"{_HEAD}{_CLASSES_OF_IMAGES}{_READ_IMAGES}workflow = rw.workflows.SimplifiedImageClassifier(n_classes=2)",
    {
        "image_classifier.py": f"""
import numpy as np
from sklearn.linear_model import LogisticRegression

class ImageClassifier:
    def fit(self, loader):
        pairs = [*loader]
        assert len(pairs) == len(loader) == loader.nb_examples and loader.n_classes == 2
        images, labels = loader.parallel_load(range(10, len(loader)))
        images += [loader.load(index)[0] for index in range(10)]
        labels = [*labels, *(label for _, label in pairs[:10])]
        self.model = LogisticRegression(C=100).fit(self.features(np.mean(images, axis=3) / 256), labels)

    def predict_proba(self, loader):
        return self.model.predict_proba(self.features(np.mean([*loader], axis=3) / 256))
{_STRIPES}
"""
    },
    _images("ppm"),
    needs="skimage",
)

KITS = {name.lower(): value for name, value in list(globals().items()) if isinstance(value, Kit)}
