"""Dead letters: messages that no consumer could handle, kept with the reason until an operator requeues or drops them.

The orchestrator takes them from the broker's queue into a bounded table, since a queue can't be looked at without counting as a
delivery. `palio dead-letters` reads that table.
"""
