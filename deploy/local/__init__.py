"""Everything on one machine, without containers: the servers as wheels (RabbitMQ as a Debian package) and the services.

`Stack` (in `stack.py`) is what `script/up` and the tests start. Nothing here is imported by a service.
"""
