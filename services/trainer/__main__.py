"""`python -m services.trainer`, the same as `palio trainer`."""

from services.trainer.command import trainer

trainer(prog_name="palio trainer")
