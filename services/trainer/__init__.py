"""The trainer: runs strangers' code, one sandbox a fold, and reports what came of it.

Reaches RabbitMQ and the object store, no database and no label outside a fold's own training rows. Add replicas to add power.
"""
