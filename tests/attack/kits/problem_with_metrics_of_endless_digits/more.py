"""Has a metric that is shown with a billion digits: whoever prints a score runs out of memory.

Outcome: kit_error.
Says: precision
"""

RMSE.precision = 10**9
