"""The relay: the ledger's way to RabbitMQ, in order and confirmed. Publishes every event at least once; decides nothing."""
