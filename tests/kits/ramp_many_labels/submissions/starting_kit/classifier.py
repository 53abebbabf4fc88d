import numpy as np
from sklearn.base import BaseEstimator
from sklearn.neighbors import KNeighborsRegressor

labels = ['sweet', 'salty', 'rich']


class Classifier(BaseEstimator):
    def fit(self, X, y):
        shares = np.array([[(label in tags) / len(tags) for label in labels] for tags in y])
        self.reg_ = KNeighborsRegressor(n_neighbors=7).fit(X, shares)

    def predict_proba(self, X):
        return self.reg_.predict(X)
