import time

import numpy as np
from sklearn.linear_model import LogisticRegression

CPU_S = 0.0


class Classifier:
    def fit(self, X, y):
        # Seconds of this thread on a core, however busy the machine is.
        end = time.thread_time() + CPU_S
        while time.thread_time() < end:
            np.linalg.eigvalsh(X.T @ X)
        self.model = LogisticRegression().fit(X, y)

    def predict_proba(self, X):
        return self.model.predict_proba(X)
