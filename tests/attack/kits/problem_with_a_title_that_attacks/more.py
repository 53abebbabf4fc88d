"""Has a title that terminals obey and that no database holds.

Outcome: prepared. The title is one line of characters that show.
"""

problem_title = "\x1b[2J\x00<script>alert(1)</script>\udcff\u202e\nBcc: everybody@example.org" + "x" * 10_000
