"""Download files from the web and the Hugging Face hub into the usual caches.

Files from the web go to torch.hub's cache, files from the Hugging Face hub to its own. A file is
used only when it is complete; once cached it is used without network access.
"""

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, getproxies, urlopen

import torch

from vision.errors import WeightsError
from vision.files import sha256_of

HUB_PREFIX = "hf://"
# File names of weights in hub repositories; the first that exists is taken.
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
PROBE_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 5.0
# The line to run with a copy of the file.
LOAD_LINE = "vision.load_weights(model, PATH)"


def fetch(address: str) -> Path:
    """Local path of a weights file, downloaded first if it is not there yet.

    Args:
        address: An http(s) URL, `"hf://owner/repo[/file][@revision]"`, or a path.

    Raises:
        WeightsError: The download failed; the message names the address and the reason.
    """
    if address.startswith(HUB_PREFIX):
        return download_from_hub(address)
    if address.startswith(("http://", "https://")):
        return download_from_url(address)
    return Path(address)


def download_from_url(url: str, *, sha256: str | None = None) -> Path:
    """Download a file into torch.hub's cache, unless it is there.

    Args:
        url: An http(s) address.
        sha256: SHA-256 of the file in hexadecimal, or its first digits; None leaves it unchecked.

    Returns:
        Path in `torch.hub.get_dir()/checkpoints`.

    Raises:
        WeightsError: The address cannot be reached, the file did not arrive whole, or its SHA-256
            differs; nothing is left in the cache.
    """
    path = _url_cache_path(url)
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    incomplete = path.with_name(f"{path.name}.{os.getpid()}.incomplete")
    try:
        expected = _content_length(url)
        torch.hub.download_url_to_file(url, str(incomplete), sha256)
        # torch.hub mistakes a connection that closes early for the end of the file.
        if expected is not None and (size := incomplete.stat().st_size) != expected:
            raise OSError(f"{size} of {expected} bytes arrived")
        incomplete.replace(path)
    except HTTPError as error:
        raise _download_error(url, f"HTTP {error.code} {error.reason}") from error
    except URLError as error:
        raise _download_error(url, str(error.reason)) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise _download_error(url, str(error)) from error
    finally:
        incomplete.unlink(missing_ok=True)
    return path


def download_from_hub(address: str) -> Path:
    """Download a file into the cache of the Hugging Face hub, unless it is there.

    Args:
        address: `"hf://owner/repo[/file][@revision]"`; without a file, `model.safetensors` or,
            failing that, `pytorch_model.bin`.

    Returns:
        Path in the cache.

    Raises:
        WeightsError: The address is malformed, the repository or file does not exist or cannot be
            reached, or the file differs from the SHA-256 that the hub states.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if (cached := _cached_from_hub(address)) is not None:
        return cached
    repo, files, revision = _parse_hub_address(address)
    reason = ""
    for file in files:
        try:
            path = Path(hf_hub_download(repo, file, revision=revision))
        except LocalEntryNotFoundError as error:
            raise _download_error(address, _root_cause(error)) from error
        except EntryNotFoundError:
            reason = f"the repository has no {' or '.join(files)}"
        # The hub's library and its HTTP clients (requests, httpx) share no base class of errors.
        except Exception as error:
            raise _download_error(address, _root_cause(error)) from error
        else:
            _check_hub_file(address, path)
            return path
    raise _download_error(address, reason)


def cached(address: str) -> Path | None:
    """Local path of a file that was downloaded before; None if it was not.

    Args:
        address: As for `fetch`, an http(s) URL or a hub address.
    """
    if address.startswith(HUB_PREFIX):
        return _cached_from_hub(address)
    path = _url_cache_path(address)
    return path if path.is_file() else None


def check_network(address: str) -> None:
    """Raise a `WeightsError` if the host of an address does not answer, without trying again.

    Behind a proxy, which alone reaches other hosts, nothing is checked.

    Args:
        address: As for `fetch`, an http(s) URL or a hub address.
    """
    if getproxies():
        return
    url = address
    if address.startswith(HUB_PREFIX):
        from huggingface_hub.constants import ENDPOINT

        url = ENDPOINT
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=ANSWER_TIMEOUT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise WeightsError(f"{parts.hostname} does not answer: {reason}") from error


def _url_cache_path(url: str) -> Path:
    """Path in torch.hub's cache; publishers use equal file names, so that the address counts."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    base = re.sub(r"[^\w.-]", "_", unquote(urlsplit(url).path.rpartition("/")[2]))
    name = f"{digest}_{base}" if base else f"{digest}.pth"
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def _content_length(url: str) -> int | None:
    """Size in bytes that the server states; by GET, since signed addresses refuse HEAD."""
    request = Request(url, headers={"User-Agent": "torch.hub"})
    with urlopen(request, timeout=PROBE_TIMEOUT_S) as response:
        length = response.headers.get("Content-Length")
    return None if length is None else int(length)


def _parse_hub_address(address: str) -> tuple[str, tuple[str, ...], str | None]:
    """Repository, files to try in order, and revision."""
    body, _, revision = address.removeprefix(HUB_PREFIX).partition("@")
    owner, _, rest = body.partition("/")
    repo, _, file = rest.partition("/")
    if not owner or not repo:
        raise WeightsError(
            f"'{address}' is not a hub address; expected hf://owner/repo[/file][@revision]."
        )
    return f"{owner}/{repo}", (file,) if file else HUB_FILES, revision or None


def _cached_from_hub(address: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    repo, files, revision = _parse_hub_address(address)
    for file in files:
        found = try_to_load_from_cache(repo, file, revision=revision)
        if isinstance(found, str):
            return Path(found)
    return None


def _check_hub_file(address: str, path: Path) -> None:
    """Compare with the SHA-256 by which the hub's cache names the contents of large files."""
    blob = path.resolve()
    if not re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return
    digest = sha256_of(blob)
    if digest != blob.name:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise _download_error(address, f"its SHA-256 is {digest}, the hub states {blob.name}")


def _root_cause(error: BaseException) -> str:
    """First line of the error at the bottom of a chain, the root cause."""
    for cause in _chain(error):
        error = cause
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _download_error(address: str, reason: str) -> WeightsError:
    return WeightsError(
        f"{address} could not be downloaded: {reason.rstrip('.')}.\n"
        f"With a copy of the file: {LOAD_LINE}"
    )
