"""`python -m services.scorer`."""

from services.scorer.main import main

main()
