"""Names as free of labels a folder that is not its own.

Outcome: kit_error. Only folders within the kit can be shown.
Says: label-free folder
Shown: data/../../../etc
"""
