"""The scorer: all that needs raw data or labels. Prepares problems and their environments, scores predictions.

What it works out is an event with a derived id: the same message a second time works it out again, and the ledger refuses the
second statement of the same fact. Its tables say what is there to be combined, or to be scored by another version of a problem.
"""
