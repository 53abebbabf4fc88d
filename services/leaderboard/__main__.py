"""`python -m services.leaderboard`."""

from services.leaderboard.main import main

main()
