"""Environments of kits: which packages, resolved and locked, built without running anything, packed, unpacked elsewhere."""
