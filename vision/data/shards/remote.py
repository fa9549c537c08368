"""Files in object storage or on a web server, through fsspec, with retries and clear errors."""

import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from vision.errors import ConfigError, DataError, MissingPackageError, VisionError
from vision.program import command
from vision.reading import user_path

logger = logging.getLogger(__name__)

# Seconds before each retry.
WAITS = (1.0, 3.0, 9.0)
# Errors for which a retry does not help.
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_LOCAL = "file://"

T = TypeVar("T")


def as_folder(root: str | os.PathLike[str]) -> str:
    """A folder or URL without a slash at its end; `file://` and `~` become a plain path."""
    text = os.fspath(root)
    if is_remote(text):
        return text.rstrip("/")
    return str(user_path(text.removeprefix(_LOCAL)))


def is_remote(root: str) -> bool:
    """Whether a root is a URL such as `s3://bucket/folder`, not a path on this machine."""
    return "://" in root and not root.startswith(_LOCAL)


def read_remote(url: str) -> bytes:
    """Read a small file.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It cannot be read, after several tries.
    """

    def read() -> bytes:
        system, path = open_system(url)
        return system.cat_file(path)

    return retried(url, read)


def download(url: str, target: Path, size: int) -> None:
    """Copy a file to this machine, and replace `target`.

    Args:
        url: The file.
        target: Path of the copy.
        size: Its length in bytes; any other length is a failure.

    Raises:
        DataError: The file is absent, has another length, or cannot be read after several tries; or
            the disk is full.
    """

    def copy() -> None:
        system, path = open_system(url)
        system.get_file(path, str(target))
        found = target.stat().st_size
        if found != size:
            raise EOFError(f"{found:,} bytes arrived, the index says {size:,}")

    try:
        retried(url, copy)
    except FileNotFoundError:
        raise DataError(
            f"there is no '{public(url)}', which the index lists. Upload it, or make the index "
            f"again: `{command('shard')} index`."
        ) from None


def public(url: str) -> str:
    """A URL that may be printed: without password and query, which may hold a signature."""
    if not is_remote(url) or "::" in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def retried(url: str, action: Callable[[], T]) -> T:
    """Run an action on a file, with retries after growing pauses.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It failed each time, or the disk is full.
        MissingPackageError: The kind of storage needs a package that is not installed.
    """
    for wait in (*WAITS, None):
        try:
            return action()
        except (FileNotFoundError, VisionError):
            raise
        except ImportError as error:
            scheme = url.partition("://")[0]
            raise MissingPackageError(
                f"reading '{scheme}://' needs a package that is not installed: {error}. "
                "Install it with pip (s3fs for s3, gcsfs for gs, adlfs for az)."
            ) from error
        # The error classes of file systems have no common base.
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise DataError(
                    f"the disk is full while '{public(url)}' is fetched. Lower --data.cache_bytes, "
                    "or set --data.cache_dir to a larger disk."
                ) from error
            if wait is None or isinstance(error, _LASTING):
                tries = "" if wait is not None else f" after {len(WAITS) + 1} tries"
                raise DataError(
                    f"'{public(url)}' cannot be read{tries}: {_reason(error)}. Check the address, "
                    "the connection and the access rights."
                ) from error
            logger.warning("%s: %s; trying again in %g s", public(url), _reason(error), wait)
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def open_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL or path, and the path in it.

    Raises:
        ConfigError: The scheme is unknown.
    """
    # Not stored: a file system object does not survive a fork; fsspec caches one per process.
    import fsspec

    scheme = url.rpartition("::")[2].partition("://")[0]
    if is_remote(url) and scheme not in fsspec.available_protocols():
        raise ConfigError(
            f"'{public(url)}' begins with '{scheme}://', which fsspec does not know. Examples of "
            "what it knows: s3:// gs:// az:// hf:// https://."
        )
    system, path = fsspec.core.url_to_fs(url)
    return system, path


def _reason(error: Exception) -> str:
    text = str(error).partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
