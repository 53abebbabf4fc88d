"""Ports on 127.0.0.1 for one stack, so that stacks on the same machine never take each other's."""

import errno
import random
import socket
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"

#: Ports in a block. Twelve go to the servers, eight to the services, the rest to more trainers.
BLOCK_SIZE = 64
#: Below Linux's usual ephemeral range (32768 and up), whose ports any outgoing connection may take for a while.
_BASES = range(12_288, 32_768, BLOCK_SIZE)


class NoFreePortsError(Exception):
    """Every block of ports is taken."""


class PortBlock:
    """A block of consecutive ports, held for as long as this object is open.

    The hold is an abstract unix socket named after the block. It lives in the same network namespace as the ports, and the
    kernel drops it when the process dies, however it dies: a file would outlive a kill -9. Choosing a port by binding port 0
    and closing it again would let a second stack choose the same one before the first has started its server.
    """

    def __init__(self) -> None:
        """Take a free block at random. Raises `NoFreePortsError`."""
        for base in random.sample(_BASES, len(_BASES)):
            hold = _hold(f"\0palio-ports-{base}")
            if hold is None:
                continue
            if all(is_free(port) for port in range(base, base + BLOCK_SIZE)):
                self._hold = hold
                self._ports = iter(range(base, base + BLOCK_SIZE))
                return
            hold.close()
        raise NoFreePortsError(f"no block of {BLOCK_SIZE} free ports between {_BASES.start} and {_BASES.stop} on {LOOPBACK}")

    def take(self) -> int:
        """The next port of the block. Raises `NoFreePortsError` when it is used up."""
        port = next(self._ports, None)
        if port is None:
            raise NoFreePortsError(f"this stack needs more than {BLOCK_SIZE} ports: start fewer trainers")
        return port

    def close(self) -> None:
        """Give the block back. A second call does nothing."""
        self._hold.close()

    def __enter__(self) -> Self:
        """Hold the block for a `with` statement."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the block back."""
        self.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: without it, connections of a server that just ended (TIME_WAIT) would make its port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def is_listening(port: int) -> bool:
    """Whether something answers on this port of 127.0.0.1."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) == 0


def _hold(name: str) -> socket.socket | None:
    hold = socket.socket(socket.AF_UNIX)
    try:
        hold.bind(name)
    except OSError as error:
        hold.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return hold
