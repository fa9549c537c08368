"""Prefetching of shards in the background."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from vision.errors import VisionError

logger = logging.getLogger(__name__)


class FetchAhead:
    """Fetches shards in the background, one at a time.

    Of the shards requested during a fetch, only the last is fetched: the others are in use by then.

    Args:
        fetch: Fetches a shard. Its errors are logged; the process that needs the shard raises them.
    """

    def __init__(self, fetch: Callable[[int], None]) -> None:
        self._fetch = fetch
        self._next: deque[int] = deque(maxlen=1)
        self._named = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def __call__(self, shard: int) -> None:
        """Request a shard."""
        self._next.append(shard)
        self._named.release()
        if self._thread is None:
            # A daemon does not keep the process alive at its end.
            self._thread = threading.Thread(target=self._run, name="fetch shards", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._named.acquire():
            try:
                shard = self._next.pop()
            except IndexError:
                continue  # replaced by another one, which was fetched
            try:
                self._fetch(shard)
            except VisionError as error:
                logger.warning("not prefetched: %s", error)
