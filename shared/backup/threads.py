"""Doing the same to many things, several at a time, with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 8
#: So many are begun before the first result is taken.
_AHEAD = 4 * AT_ONCE


def in_threads(work: Callable[[T], R], things: Iterable[T]) -> Iterator[R]:
    """What `work` gives for each, in order. The first error ends it: what has begun is done, the rest is not."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        begun: deque[Future[R]] = deque()
        try:
            for thing in things:
                begun.append(threads.submit(work, thing))
                if len(begun) >= _AHEAD:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
