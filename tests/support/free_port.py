"""A port for a server that a test starts itself."""

from deploy.local.ports import PortBlock


def free_port() -> int:
    """A free port on 127.0.0.1, from a block that no other stack uses at the moment."""
    with PortBlock() as block:
        return block.take()
