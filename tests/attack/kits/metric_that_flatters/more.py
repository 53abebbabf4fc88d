"""Gives no number that can be: infinity, and what is no number at all.

Outcome: prepared. A score that is no number is none.
Submission: trained
"""

MAE.score_function = lambda self, truths, predictions: float("-inf")
