from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression


class Regressor(BaseEstimator):
    def fit(self, X, y):
        self.reg_ = LinearRegression().fit(X, y)

    def predict(self, X):
        return self.reg_.predict(X)
