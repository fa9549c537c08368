"""What a person gives as the input of `predict`: files, addresses, a camera, or a list on stdin."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from vision.errors import ConfigError, DataError
from vision.predict.downloads import SCHEME, download_image, download_path, is_address

logger = logging.getLogger(__name__)

STDIN = "-"
DOWNLOADS = "downloads"


def camera_index(given: str) -> int | None:
    """The number of a camera; None for anything else, also a file of such a name."""
    if given.isdecimal() and len(given) < 4 and not os.path.exists(given):
        return int(given)
    return None


def image_source(
    given: str, folder: Path, *, allow_downloads: bool, stdin: TextIO
) -> str | list[str]:
    """The files of an input; images on the web are downloaded first.

    Args:
        given: A path or a pattern, an `https://` address, or `-` for lines of either on `stdin`.
        folder: Folder of results; copies of images from the web go to `downloads` in it.
        allow_downloads: Whether addresses may be fetched.
        stdin: Where `-` reads lines from.

    Returns:
        The path or pattern as it was given, or a list of paths. An address of several that cannot
        be fetched is warned of, and stays in the list as a file that does not exist.

    Raises:
        ConfigError: An address is given and may not be fetched, or the list is empty.
        DataError: The only image cannot be fetched.
    """
    if given == STDIN:
        lines = [line.strip() for line in stdin]
        items = list(dict.fromkeys(line for line in lines if line))
        if not items:
            raise ConfigError("no paths came on standard input: expected one image per line.")
        return _local(items, folder, allow_downloads=allow_downloads)
    if is_address(given):
        return _local([given], folder, allow_downloads=allow_downloads)
    return given


def _local(items: Sequence[str], folder: Path, *, allow_downloads: bool) -> list[str]:
    addresses = [item for item in items if is_address(item)]
    if addresses and not allow_downloads:
        raise ConfigError(
            f"'{addresses[0]}' is an address on the web: --allow-downloads fetches images from "
            f"{SCHEME} addresses."
        )
    files = []
    for item in items:
        if not is_address(item):
            files.append(item)
            continue
        try:
            files.append(str(download_image(item, folder / DOWNLOADS)))
        except DataError as error:
            if len(items) == 1:
                raise
            logger.warning("%s", error)
            files.append(str(download_path(item, folder / DOWNLOADS)))
    return files
