"""Arrays of numbers in npy files, which threads may read."""

import os
import threading
from tokenize import TokenError

import numpy as np

# Headers are Python source, and CPython before 3.11.8 and 3.12.2 raises a SystemError now and then
# where two threads parse at a time (python/cpython issue 106905).
PARSING = threading.Lock()


def map_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """Map the array of a `.npy` file; a header that states more than the file allocates nothing.

    Raises:
        ValueError, OSError, EOFError: It is no such file, or holds Python objects.
    """
    try:
        with PARSING:
            return np.load(path, mmap_mode="r", allow_pickle=False)
    except TokenError as error:
        raise ValueError("its header is damaged") from error
