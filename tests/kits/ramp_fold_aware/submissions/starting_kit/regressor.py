import numpy as np
from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeRegressor


class Regressor(BaseEstimator):
    def fit(self, X, y):
        self.reg_ = DecisionTreeRegressor(max_depth=4, random_state=2).fit(self._phases(X), y)

    def predict(self, X):
        return self.reg_.predict(self._phases(X))

    def _phases(self, X):
        return np.column_stack([np.sin(X[:, 0] / 2.1), np.cos(X[:, 0] / 2.1), X[:, 0]])
