"""Shards that are fetched in the background, before they are needed."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from vision.errors import VisionError

logger = logging.getLogger(__name__)


class FetchAhead:
    """Fetches shards in the background, one at a time.

    Of the shards that are named while one is being fetched only the last is still ahead of its use.

    Args:
        fetch: Fetches a shard. What it raises is left to the process that needs the shard.
    """

    def __init__(self, fetch: Callable[[int], None]) -> None:
        self._fetch = fetch
        self._next: deque[int] = deque(maxlen=1)
        self._named = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def __call__(self, shard: int) -> None:
        """Have a shard fetched soon."""
        self._next.append(shard)
        self._named.release()
        if self._thread is None:
            # As a daemon it does not keep the process alive at its end.
            self._thread = threading.Thread(target=self._run, name="fetch shards", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._named.acquire():
            try:
                shard = self._next.pop()
            except IndexError:
                continue  # another one has taken its place, and was fetched
            try:
                self._fetch(shard)
            except VisionError as error:
                logger.warning("not fetched ahead: %s", error)
