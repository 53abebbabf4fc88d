"""Carries the private data out: to the object store, the broker and a server that waits for it.

Outcome: kit_error. There is no network.
Says: prepare_data.py ends with code 1
Says: nobody answers
"""

import socket

for port in ({S3_PORT}, {AMQP_PORT}, {PORT}):
    for address in ("127.0.0.1", "localhost", "10.0.0.1"):
        try:
            socket.create_connection((address, port), 2)
        except OSError:
            continue
        raise SystemExit("BROKEN OUT: connected")
raise SystemExit("nobody answers")
