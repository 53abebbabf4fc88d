"""Names as free of labels a folder that is all that it has, labels too.

Outcome: kit_error. Only folders within the kit can be shown.
Says: label-free folder
Shown: .
"""
