"""Eight folds with classes of its own: nothing is imported but numpy."""

import os

import numpy as np

problem_title = "Light"


class Predictions:
    """Probabilities of two classes."""

    n_columns = 2

    def __init__(self, y_pred=None, y_true=None, n_samples=None, fold_is=None):
        if y_pred is not None:
            self.y_pred = np.array(y_pred if fold_is is None else np.asarray(y_pred)[fold_is])
        elif y_true is not None:
            labels = np.asarray(y_true) if fold_is is None else np.asarray(y_true)[fold_is]
            self.y_pred = np.eye(2)[labels]
        else:
            self.y_pred = np.full((n_samples, 2), np.nan)

    @property
    def valid_indexes(self):
        return ~np.isnan(self.y_pred[:, 0])

    def set_valid_in_train(self, predictions, rows):
        self.y_pred[rows] = predictions.y_pred

    def set_slice(self, rows):
        self.y_pred = self.y_pred[rows]

    @classmethod
    def combine(cls, predictions, index_list=None):
        stacked = np.array([each.y_pred for each in predictions])
        counts = (~np.isnan(stacked)).sum(axis=0)
        return cls(y_pred=np.where(counts, np.nansum(stacked, axis=0) / np.maximum(counts, 1), np.nan))


class Workflow:
    """Executes `classifier.py` and trains its `Classifier`."""

    element_names = ["classifier"]

    def train_submission(self, module_path, X, y, train_is=None):
        path = os.path.join(module_path, "classifier.py")
        namespace = {"__name__": "classifier", "__file__": path}
        with open(path) as file:
            exec(compile(file.read(), path, "exec"), namespace)
        model = namespace["Classifier"]()
        model.fit(X[train_is], y[train_is])
        return model

    def test_submission(self, model, X):
        return model.predict_proba(X)


class Accuracy:
    """Share of the rows whose most probable class is right."""

    name, precision, is_lower_the_better, minimum, maximum = "acc", 2, False, 0.0, 1.0

    def score_function(self, truths, predictions):
        return float((truths.y_pred.argmax(axis=1) == predictions.y_pred.argmax(axis=1)).mean())


workflow = Workflow()
score_types = [Accuracy()]


def get_cv(X, y):
    rows = np.arange(len(y))
    return [(rows[rows % 8 != fold], rows[rows % 8 == fold]) for fold in range(8)]


def _make_data(seed, n_rows):
    random = np.random.RandomState(seed)
    X = random.normal(size=(n_rows, 4))
    return X, (X[:, 0] + random.normal(0, 0.5, size=n_rows) > 0).astype(int)


def get_train_data(path="."):
    return _make_data(61, 400)


def get_test_data(path="."):
    return _make_data(62, 200)
