"""Images on the web, fetched by address: https alone, of public hosts, within limits."""

import hashlib
import http.client
import ipaddress
import logging
import re
import socket
import time
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from vision.errors import DataError
from vision.files import fit_name, replace_file

logger = logging.getLogger(__name__)

SCHEME = "https://"
MAX_BYTES = 100 * 2**20
TIMEOUT_S = 20.0  # of a connection, and between two parts of an answer
MAX_SECONDS = 120.0  # of a whole image
MAX_REDIRECTS = 5
_PART = 2**16


def is_address(given: str) -> bool:
    """Whether a text is an address on the web."""
    return given.lower().startswith((SCHEME, "http://"))


def download_image(address: str, folder: Path, *, opener: Any = None) -> Path:
    """Download an image, unless an earlier call has.

    Args:
        address: An `https://` address.
        folder: Folder of the copy.
        opener: Opens requests; None uses one that speaks https alone, to public hosts.

    Returns:
        The file in the folder, named after the address.

    Raises:
        DataError: The address is not https, its host is not public, it redirects elsewhere, the
            file is larger than 100 MiB, or it does not arrive in time and whole.
    """
    if not address.lower().startswith(SCHEME):
        raise DataError(f"'{address}' is not fetched: only {SCHEME} addresses are.")
    path = download_path(address, folder)
    if path.is_file():
        return path
    request = Request(address, headers={"User-Agent": "vision", "Accept": "image/*"})
    try:
        with (opener or _public_opener()).open(request, timeout=TIMEOUT_S) as response:
            replace_file(path, lambda place: place.write_bytes(_read(response)))
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(error, HTTPError):
            reason = f"HTTP {error.code} {error.reason}"
        raise DataError(
            f"'{_without_query(address)}' cannot be fetched: {str(reason).rstrip('.')}. Check the "
            "address, or download the image and give its file."
        ) from error
    return path


def download_path(address: str, folder: Path) -> Path:
    """The copy of an image: different addresses have different names, which end like them."""
    digest = hashlib.sha256(address.encode()).hexdigest()[:12]
    base = re.sub(r"[^\w.-]", "_", unquote(urlsplit(address).path.rpartition("/")[2]))
    return folder / fit_name(f"{digest}_{base}" if base else digest)


def _without_query(address: str) -> str:
    """An address that may be printed: a query may hold a signature."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _read(response: Any) -> bytes:
    """The whole answer.

    Raises:
        OSError: It is too large, too slow, or cut off.
    """
    stated = response.headers.get("Content-Length")
    expected = int(stated) if stated is not None and stated.isdecimal() else None
    if expected is not None and expected > MAX_BYTES:
        raise OSError(f"it has {expected:,} bytes; at most {MAX_BYTES:,} are fetched")
    end = time.monotonic() + MAX_SECONDS
    parts, size = [], 0
    while part := response.read(_PART):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise OSError(f"it has more than {MAX_BYTES:,} bytes")
        if time.monotonic() > end:
            raise OSError(f"it did not arrive in {MAX_SECONDS:.0f} s")
    if expected is not None and size != expected:
        raise OSError(f"{size:,} of {expected:,} bytes arrived")
    return b"".join(parts)


class _PublicConnection(http.client.HTTPSConnection):
    """A connection to a host of the public internet; to any host through a proxy."""

    _is_tunnel = False

    def set_tunnel(self, *args: Any, **kwargs: Any) -> None:
        """Go through a proxy, which chooses the hosts that it reaches."""
        self._is_tunnel = True
        super().set_tunnel(*args, **kwargs)

    def connect(self) -> None:
        """Connect.

        Raises:
            OSError: The host cannot be reached, or is not public.
        """
        if not self._is_tunnel:
            for *_, place in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
                _require_public(self.host, str(place[0]))
        super().connect()
        if not self._is_tunnel:  # the name may mean another host by now
            try:
                _require_public(self.host, str(self.sock.getpeername()[0]))
            except OSError:
                self.close()
                raise


def _require_public(host: str, address: str) -> None:
    """Check an IP address.

    Raises:
        OSError: It belongs to this machine or its own network.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or found
    if not mapped.is_global or mapped.is_multicast:
        raise OSError(f"{host} is {address}, which is not a public address")


class _PublicHandler(HTTPSHandler):
    """Opens https requests by a `_PublicConnection`."""

    def https_open(self, req: Request) -> Any:
        """Open a request."""
        return self.do_open(_PublicConnection, req)


class _SafeRedirects(HTTPRedirectHandler):
    """Follows a few redirections, to https alone."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The next request.

        Raises:
            OSError: It leads to another scheme.
        """
        if not newurl.lower().startswith(SCHEME):
            raise OSError(f"it redirects to {urlsplit(newurl).scheme}://, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _public_opener() -> OpenerDirector:
    """An opener without http, ftp, files and data: what has no handler cannot be opened."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        _SafeRedirects(),
        _PublicHandler(),
    ):
        opener.add_handler(handler)
    return opener
