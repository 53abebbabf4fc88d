"""Memory that no process shows as its own still counts as the sandbox's, though nobody but looks at `/proc` counts it."""

import pytest

from shared.execution.sandbox import EndedBy
from tests.integration.execution.programs import Run

#: A control group counts all of it by itself.
pytestmark = pytest.mark.parametrize("sandbox", ["watched"], indirect=True)

_MIB = 1 << 20
_SHARED = """
import mmap, time
def filled():
    shared = mmap.mmap(-1, 40 << 20)
    shared.write(bytes(b"x") * (40 << 20))
    shared.madvise(mmap.MADV_DONTNEED)
    return shared
"""
#: Fills what a socket, or a pipe, takes without waiting.
_FILL = """
import fcntl, os, socket, sys, time
def fill(write, chunk=bytes(60_000)):
    try:
        while True: write(chunk)
    except OSError: pass
def pair(kind=socket.SOCK_STREAM):
    for end in (ends := socket.socketpair(socket.AF_UNIX, kind)):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        end.setblocking(False)
        fill(end.send)
    return ends
"""
_PIPES = """
for _ in range(40):
    if os.fork() == 0: break
held = []
while True:
    try: ends = os.pipe()
    except OSError: break
    try: fcntl.fcntl(ends[1], 1031, 1 << 20)
    except OSError: pass
    os.set_blocking(ends[1], False)
    fill(lambda chunk: os.write(ends[1], chunk))
    os.close(ends[1])
time.sleep(1000)
"""
_HIDDEN = {
    "shared mappings let go of": _SHARED + "held = [filled() for _ in range(8)]\ntime.sleep(1000)",
    "shared mappings with a name": _SHARED
    + """
import ctypes
libc = ctypes.CDLL(None)
def named():
    shared = filled()
    address = ctypes.addressof(ctypes.c_char.from_buffer(shared))
    libc.prctl(0x53564D41, 0, ctypes.c_ulong(address), ctypes.c_ulong(40 << 20), b"mine")
    return shared
held = [named() for _ in range(8)]
time.sleep(1000)
""",
    "shared mappings in the place of others": _SHARED
    + """
places = [mmap.mmap(-1, 40 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(8)]
time.sleep(0.5)
held = []
for place in places:
    place.close()
    held.append(filled())
time.sleep(1000)
""",
    "shared mappings of a child whose parent is gone": _SHARED
    + "import os\nheld = [filled() for _ in range(8)]\nif os.fork():\n    time.sleep(0.01); os._exit(0) if os.getpid() != 2 else time.sleep(1000)\ntime.sleep(1000)",
    "a process whose first thread is over": """
import ctypes, platform, threading, time
def hold():
    time.sleep(0.3)
    held = bytearray(b"x") * (320 << 20)
    time.sleep(1000)
threading.Thread(target=hold).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
""",
    "pairs of sockets": _FILL + "held = [pair() for _ in range(500)]\ntime.sleep(1000)",
    "pairs of sockets with large messages": _FILL
    + "held = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(500)]\n"
    "for ends in held:\n    for end in ends:\n        end.setblocking(False); fill(end.send, bytes(200_000))\ntime.sleep(1000)",
    "sockets on their way": _FILL
    + """
held = []
while True:
    try:
        keepers, ends = socket.socketpair(), pair()
        socket.send_fds(keepers[0], [b"x"], [end.fileno() for end in ends])
        held.append(keepers)
    except OSError:
        break
time.sleep(1000)
""",
    "connections with itself": _FILL
    + """
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
held = []
for _ in range(100):
    held += [client := socket.create_connection(listener.getsockname()), listener.accept()[0]]
    client.setblocking(False)
    fill(client.send)
time.sleep(1000)
""",
    "pipes of many processes": _FILL + _PIPES,
    "pipes of processes that show no descriptors": _FILL + "import ctypes\nctypes.CDLL(None).prctl(4, 0)\n" + _PIPES,
    "page tables": """
import mmap, os, time
for _ in range(20):
    if os.fork() == 0: break
held = mmap.mmap(-1, 14 << 30, 0x4000 | mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)
for place in range(0, 14 << 30, 2 << 20): held[place]
time.sleep(1000)
""",
}


@pytest.mark.parametrize("code", _HIDDEN.values(), ids=_HIDDEN)
def test_memory_that_no_process_shows_is_limited(run_python: Run, code: str) -> None:
    result = run_python(code, memory_bytes=200 * _MIB, wall_time_s=8)
    assert result.ended_by is EndedBy.MEMORY_LIMIT, result.log


def test_memory_that_is_shared_counts_once(run_python: Run) -> None:
    code = """
import mmap, os, time
held = mmap.mmap(-1, 60 << 20)
for page in range(0, len(held), 4096):
    held[page] = 1
for _ in range(4):
    if os.fork() == 0:
        sum(held[::4096]); time.sleep(1000)
time.sleep(0.5)
"""
    assert 60 * _MIB < run_python(code).usage.peak_memory_bytes < 120 * _MIB
