"""What would run if the kit were installed."""

import pathlib

pathlib.Path("/tmp/palio-attack-setup").touch()
raise SystemExit("BROKEN OUT: setup.py runs")
