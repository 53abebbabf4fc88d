"""ingest: every decision that a person causes. The write API: accounts, teams, problems, challenges, submissions.

Decides on its own tables, and appends to the ledger as the last statement of the same transaction. Never reads what others
project, never trains, scores or mails.
"""
