"""Work done by threads ahead of its use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def ahead(
    work: Callable[[In], Out], items: Iterable[In], *, threads: int, depth: int | None = None
) -> Generator[Out, None, None]:
    """The results of `work` on `items`, in their order, from `threads` threads.

    Up to `depth` items (by default one a thread) are under way while a result is used. What an item raises is raised
    here in its place; after that, or when the generator is closed, no further item is begun.
    """
    queue: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix=getattr(work, "__name__", "ahead")) as pool:
        try:
            for item in items:
                queue.append(pool.submit(work, item))
                if len(queue) > (depth or threads):
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
