"""`palio trainer`: a trainer on any host that reaches RabbitMQ and the object store. For operators."""

import sys
from typing import Any

import click
from pydantic import ValidationError

from services.trainer.main import run
from shared.settings import TrainerSettings


@click.command()
@click.option("--pool", help="The pool that it serves. [default: PALIO_POOL, or default]")
@click.option("--slots", type=click.IntRange(min=1), help="Folds at the same time. [default: PALIO_SLOTS, or 2]")
@click.option("--max-jobs", type=click.IntRange(min=0), help="End by itself after so many requests. [default: never]")
def trainer(**given: Any) -> None:
    """Train submissions of a pool, beside all other trainers that do; start and stop it at any time.

    Needs PALIO_AMQP_URL, PALIO_S3_ENDPOINT, PALIO_S3_ACCESS_KEY and PALIO_S3_SECRET_KEY, those of the pool's trainers; secrets come
    from the environment, since a command line can be read by everybody on the host. All settings: docs/settings.md.

    SIGTERM or Ctrl-C drains it: what it runs may end within PALIO_DRAIN_S, then it is handed back; a second one ends it at once.

    \b
    Examples:
      palio trainer --pool default --slots 4
      palio trainer --pool gpu --slots 1 --max-jobs 100
    """
    try:
        settings = TrainerSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        # Without the values: one of them may be a secret.
        wrong = "; ".join(f"PALIO_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors(include_input=False))
        raise click.ClickException(f"these settings are missing or wrong: {wrong}. docs/settings.md tells about each.") from error
    run(settings)


if __name__ == "__main__":
    sys.exit(trainer())
