"""The system calls that no sandbox needs, as a filter for the kernel: classic BPF, assembled here.

A list of what is refused, not of what is allowed: numerical libraries use most calls there are, and new ones each year. It
takes away what others have broken out with (namespaces, io_uring, bpf, userfaultfd, keys), what reads other processes, and
memory that no watcher of processes sees (System V and anonymous memory files, pages given to pipes, larger buffers). Everything else is still checked by the
kernel against an unprivileged user without capabilities.
"""

import errno
import platform
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
#: Offsets in `struct seccomp_data`; of arguments the lower half, which is all that these calls look at.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 24, 32
#: Calls of the x32 interface carry this bit, and would otherwise have other numbers.
_X32_BIT = 0x40000000
#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NEW_NAMESPACES = 0x7E020000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_SET_PIPE_SIZE = 1031
#: Of SOL_SOCKET: SNDBUF, RCVBUF, and both by force.
_BUFFER_SIZES = (7, 8, 32, 33)
_SOCKET_TYPE_MASK = 0xF

#: Numbers from 424 on are the same everywhere.
_REFUSED_EVERYWHERE = {
    "pidfd_getfd": 438, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447, "open_tree_attr": 467,
}  # fmt: skip
_REFUSED_X86_64 = {
    "shmget": 29, "semget": 64, "msgget": 68, "ptrace": 101, "syslog": 103, "vhangup": 153, "modify_ldt": 154,
    "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166,
    "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
    "init_module": 175, "delete_module": 176, "quotactl": 179, "lookup_dcookie": 212, "clock_settime": 227,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298,
    "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308,
    "vmsplice": 278, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "memfd_create": 319,
    "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_REFUSED_AARCH64 = {
    "lookup_dcookie": 18, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "vhangup": 58, "quotactl": 60,
    "acct": 89, "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106, "clock_settime": 112,
    "syslog": 116, "ptrace": 117, "reboot": 142, "sethostname": 161, "setdomainname": 162, "settimeofday": 170,
    "adjtimex": 171, "msgget": 186, "semget": 190, "shmget": 194, "add_key": 217, "request_key": 218, "keyctl": 219,
    "swapon": 224, "swapoff": 225, "perf_event_open": 241, "fanotify_init": 262, "name_to_handle_at": 264,
    "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "vmsplice": 75,
    "kcmp": 272, "finit_module": 273, "memfd_create": 279, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_CLONE3 = 435
#: Refused as if this kernel did not have them, so that libraries fall back to something older.
_AS_IF_UNKNOWN = frozenset({"memfd_create", "memfd_secret", "io_uring_setup", "io_uring_enter", "io_uring_register", "shmget"})


@dataclass(frozen=True)
class _Machine:
    """What differs between architectures."""

    audit_number: int
    refused: Mapping[str, int]
    clone: int
    socket: int
    socketpair: int
    setsockopt: int
    fcntl: int
    ioctl: int
    has_x32: bool


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, _REFUSED_X86_64, clone=56, socket=41, socketpair=53, setsockopt=54, fcntl=72, ioctl=16, has_x32=True
    ),
    "aarch64": _Machine(
        0xC00000B7, _REFUSED_AARCH64, clone=220, socket=198, socketpair=199, setsockopt=208, fcntl=25, ioctl=29, has_x32=False
    ),
}


def filter_program(machine: str | None = None, *, network: bool = False) -> bytes | None:
    """The filter as the kernel takes it, for this machine; None for an architecture whose numbers are not known here.

    With `network`, sockets that ask the kernel for routes are allowed too: name resolution uses them.
    """
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    program = [
        _step(_LOAD, _ARCHITECTURE),
        # Another architecture's calls (32 bit) have other numbers, so none of them passes.
        _step(_JUMP_EQUAL, known.audit_number, 1, 0),
        _refuse(errno.ENOSYS),
        _step(_LOAD, _NUMBER),
    ]
    if known.has_x32:
        program += [_step(_JUMP_AT_LEAST, _X32_BIT, 0, 1), _refuse(errno.ENOSYS)]
    for name, number in {**known.refused, **_REFUSED_EVERYWHERE}.items():
        program += _when(number, [_refuse(errno.ENOSYS if name in _AS_IF_UNKNOWN else errno.EPERM)])
    # The flags of clone3 are in memory, where a filter cannot look: glibc falls back to clone.
    program += _when(_CLONE3, [_refuse(errno.ENOSYS)])
    program += _when(
        known.clone,
        [_step(_LOAD, _FIRST_ARGUMENT), _step(_JUMP_ANY_BIT, _NEW_NAMESPACES, 0, 1), _refuse(errno.EPERM), _allow()],
    )
    program += _when(
        known.ioctl,
        [
            _step(_LOAD, _SECOND_ARGUMENT),
            _step(_JUMP_EQUAL, _TIOCSTI, 1, 0),
            _step(_JUMP_EQUAL, _TIOCLINUX, 0, 1),
            _refuse(errno.EPERM),
            _allow(),
        ],
    )
    program += _when(
        known.fcntl, [_step(_LOAD, _SECOND_ARGUMENT), _step(_JUMP_EQUAL, _SET_PIPE_SIZE, 0, 1), _refuse(errno.EPERM), _allow()]
    )
    program += _when(known.setsockopt, _buffer_rules())
    # Pairs too: of some families the kernel makes them, loading their code first.
    for number in (known.socket, known.socketpair):
        program += _when(number, _socket_rules(network=network))
    return b"".join([*program, _allow()])


def _socket_rules(*, network: bool) -> list[bytes]:
    """Unix sockets, TCP and UDP; nothing raw, and no other family or protocol: their code is where kernels are broken into."""
    internet = [
        _step(_LOAD, _SECOND_ARGUMENT),
        _step(_AND, _SOCKET_TYPE_MASK),
        _step(_JUMP_EQUAL, socket.SOCK_STREAM, 2, 0),
        _step(_JUMP_EQUAL, socket.SOCK_DGRAM, 1, 0),
        _refuse(errno.EPERM),
        _allow(),
    ]
    unix = [
        _step(_LOAD, _SECOND_ARGUMENT),
        _step(_AND, _SOCKET_TYPE_MASK),
        _step(_JUMP_EQUAL, socket.SOCK_RAW, 0, 1),
        _refuse(errno.EPERM),
        _allow(),
    ]
    rules = [_step(_LOAD, _FIRST_ARGUMENT)]
    if network:
        rules += [_step(_JUMP_EQUAL, socket.AF_NETLINK, 0, 1), _allow()]
    return [
        *rules,
        _step(_JUMP_EQUAL, socket.AF_UNIX, 3 + len(internet), 0),
        _step(_JUMP_EQUAL, socket.AF_INET, 2, 0),
        _step(_JUMP_EQUAL, socket.AF_INET6, 1, 0),
        _refuse(errno.EAFNOSUPPORT),
        *internet,
        *unix,
    ]


def _buffer_rules() -> list[bytes]:
    """Sizes of a socket's buffers: called a success and left as they are. The kernel, too, takes them for hints."""
    rules = [_step(_LOAD, _SECOND_ARGUMENT), _step(_JUMP_EQUAL, socket.SOL_SOCKET, 1, 0), _allow(), _step(_LOAD, _THIRD_ARGUMENT)]
    for name in _BUFFER_SIZES:
        rules += [_step(_JUMP_EQUAL, name, 0, 1), _refuse(0)]
    return [*rules, _allow()]


def _when(number: int, steps: list[bytes]) -> list[bytes]:
    """Steps for one call, skipped for all others; they end in a return."""
    return [_step(_JUMP_EQUAL, number, 0, len(steps)), *steps]


def _refuse(error: int) -> bytes:
    return _step(_RETURN, _ERRNO | error)


def _allow() -> bytes:
    return _step(_RETURN, _ALLOW)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
