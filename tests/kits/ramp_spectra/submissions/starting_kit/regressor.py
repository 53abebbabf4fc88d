from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge


class Regressor(BaseEstimator):
    def fit(self, X, y):
        self.reg_ = Ridge(alpha=0.1).fit(X, y)

    def predict(self, X):
        return self.reg_.predict(X)
