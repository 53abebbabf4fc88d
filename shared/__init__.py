"""What several services speak: events, ledger, bus, artefacts, execution, visibility, settings, telemetry. Imports no service."""
