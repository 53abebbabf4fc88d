"""Brings the database to what this release needs: roles, schemas, tables, and which role may append which event.

Run as `python -m shared.migrations`, by the owner of the database; every run after the first changes only what is new.
"""
