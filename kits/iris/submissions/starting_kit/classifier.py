"""The starter: naive Bayes on the sepals only."""

from sklearn.naive_bayes import GaussianNB


class Classifier:
    def __init__(self):
        self.model = GaussianNB()

    def fit(self, X, y):
        self.model.fit(X[:, :2], y.astype(str))

    def predict_proba(self, X):
        return self.model.predict_proba(X[:, :2])
