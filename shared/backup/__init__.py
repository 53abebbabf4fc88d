"""Backups: the database and the object store at one position of the ledger, in a folder; and a platform made from one again.

Owns the folder's layout (`folder`), what is written into it and checked of it. For operators: no service imports this.
"""
