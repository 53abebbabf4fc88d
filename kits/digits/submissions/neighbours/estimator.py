"""Nearest neighbours by distance, averaged with a logistic regression on an approximated radial kernel."""

from sklearn.ensemble import VotingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler


def get_estimator():
    kernel = make_pipeline(Nystroem(gamma=0.2, n_components=200, random_state=57), LogisticRegression(C=100, max_iter=1000))
    neighbours = KNeighborsClassifier(n_neighbors=5, weights="distance")
    return make_pipeline(MinMaxScaler(), VotingClassifier([("kernel", kernel), ("neighbours", neighbours)], voting="soft"))
