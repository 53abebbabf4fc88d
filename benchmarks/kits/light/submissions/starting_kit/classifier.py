import numpy as np


class Classifier:
    def fit(self, X, y):
        pass

    def predict_proba(self, X):
        return np.eye(2)[(X[:, 0] > 0).astype(int)]
