"""leaderboard: the read side. Boards, submissions' states, logs and streams, projected from the ledger. Decides nothing, appends nothing."""
