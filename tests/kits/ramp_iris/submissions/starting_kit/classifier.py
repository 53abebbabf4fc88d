from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeClassifier


class Classifier(BaseEstimator):
    def fit(self, X, y):
        self.tree_ = DecisionTreeClassifier(max_leaf_nodes=3, random_state=3)
        self.tree_.fit(X[:, [0, 1]], y.astype(str))

    def predict_proba(self, X):
        return self.tree_.predict_proba(X[:, [0, 1]])
