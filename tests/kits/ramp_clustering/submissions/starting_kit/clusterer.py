import numpy as np
from sklearn.cluster import DBSCAN


class Clusterer(object):
    def fit(self, X, y):
        angles = np.arctan2(X[:, 2], X[:, 1])
        tracks = [angles[(y == track).all(axis=1)] for track in np.unique(y, axis=0)]
        self.width_ = float(np.mean([np.std(track) for track in tracks]))

    def predict_single_event(self, X):
        angles = np.arctan2(X[:, 1], X[:, 0]).reshape(-1, 1)
        return DBSCAN(eps=0.5 * self.width_, min_samples=1).fit_predict(angles)
