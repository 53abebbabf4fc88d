"""The orchestrator: what runs when, and what became of it. Requests training, checks trainers' reports, finishes runs.

What became of a run is what its stream in the ledger says, read anew for each decision, and the stream's version makes
two orchestrators that decide at once notice each other. Its tables only help to say whose turn it is.
"""
