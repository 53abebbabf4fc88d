"""The scorer: all that needs raw data or labels. Prepares problems and their environments, scores predictions.

It has no tables. What it works out is an event with a derived id: the same message a second time works it out again, and the
ledger refuses the second statement of the same fact.
"""
