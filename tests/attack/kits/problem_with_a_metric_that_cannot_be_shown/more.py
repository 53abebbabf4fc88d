"""Has a metric whose name is an escape, markup and a NUL.

Outcome: kit_error.
Says: name
"""

MAE.name = "\x1b[2J\x00<script>"
