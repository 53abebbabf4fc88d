"""Running code of strangers: sandboxes, the runner inside them, environments, and what a prepared problem is.

Owns everything between "here are files and limits" and "this is what came out". Never touches the ledger, the broker or
the object store: services hand files in and take files out.
"""
