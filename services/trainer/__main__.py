"""`python -m services.trainer`."""

from services.trainer.main import main

main()
