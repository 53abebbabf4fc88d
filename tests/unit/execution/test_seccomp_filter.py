"""The filter of system calls, as a program: the kernel would refuse a jump out of it, but only at the next start."""

import errno
import socket
import struct

import pytest

from shared.execution.sandbox.seccomp import filter_program

_JUMPS = {0x15, 0x35, 0x45}
_RETURN = 0x06
_ALLOWED, _ERRNO = 0x7FFF0000, 0x00050000
_AUDIT_NUMBERS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_MAX_INSTRUCTIONS = 4096
#: A call that is not made, and answered with 0.
_DONE_ALREADY = -1


@pytest.mark.parametrize("network", [False, True], ids=["alone", "network"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_way_through_the_program_ends_in_a_return(machine: str, network: bool) -> None:  # noqa: FBT001 - a case
    program = filter_program(machine, network=network)
    assert program is not None
    steps = list(struct.iter_unpack("=HBBI", program))
    assert len(steps) < _MAX_INSTRUCTIONS
    for position, (code, if_true, if_false, _) in enumerate(steps):
        if code in _JUMPS:
            assert position + 1 + max(if_true, if_false) < len(steps)
    assert steps[-1][0] == _RETURN


def test_an_unknown_architecture_has_no_filter() -> None:
    assert filter_program("pdp11") is None


def verdict(machine: str, number: int, *arguments: int, network: bool = False, audit_number: int | None = None) -> int:
    """What the kernel would do with a call, by this program: 0 to let it pass, else the error, or `_DONE_ALREADY`."""
    program = list(struct.iter_unpack("=HBBI", filter_program(machine, network=network) or b""))
    words = struct.pack("=II", number, audit_number or _AUDIT_NUMBERS[machine]) + bytes(8)
    data = words + struct.pack("=6Q", *arguments, *(0 for _ in range(6 - len(arguments))))
    loaded, position = 0, 0
    while True:
        code, if_true, if_false, value = program[position]
        position += 1
        match code:
            case 0x20:
                [loaded] = struct.unpack_from("=I", data, value)
            case 0x54:
                loaded &= value
            case 0x06:
                return 0 if value == _ALLOWED else value & ~_ERRNO or _DONE_ALREADY
            case _:
                holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
                position += if_true if holds else if_false


#: What must be refused whatever else is, with the numbers of the kernel's own tables: x86_64, aarch64.
_MUST_BE_REFUSED = {
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "vmsplice": (278, 75),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "unshare": (272, 97), "setns": (308, 268), "clone3": (435, 435),
    "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273), "open_by_handle_at": (304, 265),
}  # fmt: skip


@pytest.mark.parametrize("name", _MUST_BE_REFUSED)
def test_what_breaks_out_is_refused_on_every_machine(name: str) -> None:
    for machine, number in zip(("x86_64", "aarch64"), _MUST_BE_REFUSED[name], strict=True):
        for network in (False, True):
            assert verdict(machine, number, network=network) in {errno.EPERM, errno.ENOSYS}


_CLONE = {"x86_64": 56, "aarch64": 220}


@pytest.mark.parametrize("machine", _CLONE)
def test_threads_and_children_are_let_pass_and_new_namespaces_are_not(machine: str) -> None:
    assert verdict(machine, _CLONE[machine], 0x3D0F00) == 0
    assert verdict(machine, _CLONE[machine], 0x1200011) == 0
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, _CLONE[machine], flag | 17) == errno.EPERM


_SOCKET = {"x86_64": (41, 53), "aarch64": (198, 199)}


@pytest.mark.parametrize("machine", _SOCKET)
def test_only_sockets_that_programs_need_are_let_pass(machine: str) -> None:
    def answer(family: int, kind: int, *, network: bool = False) -> set[int]:
        return {verdict(machine, number, family, kind, network=network) for number in _SOCKET[machine]}

    flags = socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    for family in (socket.AF_INET, socket.AF_INET6):
        assert answer(family, socket.SOCK_STREAM | flags) == answer(family, socket.SOCK_DGRAM) == {0}
        # Raw, RDM, SEQPACKET (SCTP), DCCP, and the old name of a packet socket.
        for kind in (3, 4, 5, 6, 10):
            assert answer(family, kind | flags) == {errno.EPERM}
    assert answer(socket.AF_UNIX, socket.SOCK_STREAM) == answer(socket.AF_UNIX, socket.SOCK_SEQPACKET) == {0}
    for family in set(range(1, 46)) - {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}:
        assert answer(family, socket.SOCK_RAW) == answer(family, socket.SOCK_DGRAM) == {errno.EAFNOSUPPORT}
    assert answer(socket.AF_NETLINK, socket.SOCK_RAW, network=True) == {0}
    assert answer(socket.AF_PACKET, socket.SOCK_RAW, network=True) == {errno.EAFNOSUPPORT}


@pytest.mark.parametrize(("machine", "setsockopt", "fcntl"), [("x86_64", 54, 72), ("aarch64", 208, 25)])
def test_buffers_stay_as_large_as_they_are(machine: str, setsockopt: int, fcntl: int) -> None:
    for name in (7, 8, 32, 33):
        # Not done, and called a success: no program need fail for it.
        assert verdict(machine, setsockopt, 3, socket.SOL_SOCKET, name) == _DONE_ALREADY
        assert verdict(machine, setsockopt, 3, socket.IPPROTO_TCP, name) == 0
    assert verdict(machine, setsockopt, 3, socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
    assert verdict(machine, fcntl, 3, 1031) == errno.EPERM
    assert verdict(machine, fcntl, 3, 1032) == 0


def test_calls_of_other_architectures_are_refused() -> None:
    i386 = 0x40000003
    assert verdict("x86_64", 1, audit_number=i386) == errno.ENOSYS
    assert verdict("x86_64", 0x40000000 | 1) == errno.ENOSYS
    assert verdict("x86_64", 1) == 0
