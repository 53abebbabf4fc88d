"""The filter of system calls, as a program: the kernel would refuse a jump out of it, but only at the next start."""

import struct

import pytest

from shared.execution.sandbox.seccomp import filter_program

_JUMPS = {0x15, 0x35, 0x45}
_RETURN = 0x06
_MAX_INSTRUCTIONS = 4096


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
