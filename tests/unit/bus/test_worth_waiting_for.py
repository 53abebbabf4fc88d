"""After which errors the same work is tried again, for as long as it takes, instead of being buried."""

import errno

import pytest
from aio_pika.exceptions import ChannelInvalidStateError, DeliveryError
from minio.error import S3Error, ServerError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.bus.consumer import worth_waiting_for


@pytest.mark.parametrize(
    "error",
    [
        S3Error(None, "InternalError", "no volumes", None, None, None),
        ServerError("503", 503),
        PoolTimeoutError("no connection is free"),
        DeliveryError(None, None),
        ChannelInvalidStateError("closed"),
        ConnectionResetError(),
        OSError(errno.ENOSPC, "no space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_is_away_or_fails_and_a_full_disk_are_waited_for(error: Exception) -> None:
    assert worth_waiting_for(error)


@pytest.mark.parametrize("error", [ValueError("a defect"), OSError(errno.ENOENT, "no such file"), KeyError("x")])
def test_a_defect_is_not_waited_for(error: Exception) -> None:
    assert not worth_waiting_for(error)
