"""Has other metrics where it is scored than where it was prepared.

Outcome: prepared.
Submission: kit_error
Says: other ones than when the problem was prepared
"""

import os

if os.path.exists("/data/y_train"):
    score_types = [RMSE(), RMSE(), MAE()]
