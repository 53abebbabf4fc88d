import numpy as np


class StepDetector(object):
    def fit(self, X, y):
        inside = [signal[start:end].mean() for signal, steps in zip(X, y) for start, end in steps]
        self.threshold_ = 0.55 * float(np.mean(inside))

    def predict(self, X):
        return [self.predict_single(signal) for signal in X]

    def predict_single(self, signal):
        above = np.concatenate([[0], (signal > self.threshold_).astype(int), [0]])
        starts, ends = np.flatnonzero(np.diff(above) == 1), np.flatnonzero(np.diff(above) == -1)
        return [(int(start), int(end)) for start, end in zip(starts, ends)]
