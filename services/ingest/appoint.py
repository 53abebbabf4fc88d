"""`python -m services.ingest.appoint NAME`: make a registered person an administrator. For the operator of the machine."""

import argparse
import sys

from services.ingest.accounts import appoint_administrator
from shared.database import make_engine
from shared.settings import DatabaseSettings


def main() -> int:
    """Appoint; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m services.ingest.appoint",
        description="Make a registered person an administrator. Needs PALIO_DATABASE_URL with ingest's role.",
        epilog="example: python -m services.ingest.appoint ada",
    )
    parser.add_argument("name", help="the name that the person registered under")
    name = parser.parse_args().name
    try:
        appointed = appoint_administrator(make_engine(DatabaseSettings()), name)
    except LookupError as error:
        sys.stderr.write(f"{error}; register first: palio register\n")
        return 1
    sys.stdout.write(f"{name} is {'now' if appointed else 'already'} an administrator\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
