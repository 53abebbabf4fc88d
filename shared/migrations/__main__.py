"""`python -m shared.migrations`: migrate the database that PALIO_OWNER_DATABASE_URL names, as its owner.

Needs PALIO_<SERVICE>_DATABASE_PASSWORD for each service that has a role.
"""

import os
import sys

from sqlalchemy import create_engine

from shared.migrations.roles import SERVICES
from shared.migrations.upgrade import upgrade_database


def main() -> int:
    """Migrate; returns the exit code."""
    names = {service: f"PALIO_{service.upper()}_DATABASE_PASSWORD" for service in SERVICES}
    missing = [name for name in ("PALIO_OWNER_DATABASE_URL", *names.values()) if name not in os.environ]
    if missing:
        sys.stderr.write(f"Set {', '.join(missing)}, then run this again.\n")
        return 2
    owner = create_engine(os.environ["PALIO_OWNER_DATABASE_URL"], hide_parameters=True)
    upgrade_database(owner, {service: os.environ[name] for service, name in names.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
