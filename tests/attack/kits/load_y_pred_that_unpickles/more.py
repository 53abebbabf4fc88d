"""Loads predictions as many kits do, by unpickling what a participant wrote, where the labels are.

Outcome: prepared. Nobody calls it: predictions leave a sandbox as arrays of numbers.
Submission: bad_predictions
"""

import pickle


def save_y_pred(y_pred, data_path=".", output_path=".", suffix="test"):
    with open(f"{output_path}/y_pred_{suffix}.pkl", "wb") as file:
        pickle.dump(y_pred, file)


def load_y_pred(data_path=".", input_path=".", suffix="test"):
    with open(f"{input_path}/y_pred_{suffix}.pkl", "rb") as file:
        return pickle.load(file)


Predictions.load_y_pred = staticmethod(load_y_pred)
