"""The log of a sandbox, kept in bounded memory however much is printed."""

from collections import deque

_NOTE = b"\n[... %d bytes of output were left out here ...]\n"


class BoundedLog:
    """Keeps the first half and the last half of what fits into `limit_bytes`. Any bytes are welcome."""

    def __init__(self, limit_bytes: int) -> None:
        self._head_room = limit_bytes // 2
        self._tail_room = limit_bytes - self._head_room
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.total_bytes = 0

    def write(self, data: bytes) -> None:
        """Add what was printed. Time and memory do not depend on how much came before."""
        self.total_bytes += len(data)
        fits = self._head_room - len(self._head)
        if fits > 0:
            self._head += data[:fits]
            data = data[fits:]
        if not data:
            return
        self._tail.append(data)
        self._tail_bytes += len(data)
        while self._tail_bytes - len(self._tail[0]) >= self._tail_room:
            self._tail_bytes -= len(self._tail.popleft())

    def content(self) -> bytes:
        """What was kept, with a note in the middle that counts what was not."""
        tail = b"".join(self._tail)
        tail = tail[max(0, len(tail) - self._tail_room) :]
        left_out = self.total_bytes - len(self._head) - len(tail)
        return bytes(self._head) + (_NOTE % left_out if left_out else b"") + tail
