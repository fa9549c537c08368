"""Which names a page answers to: a page of another site must not reach it through the browser.

A page on the internet can have its own name lead to 127.0.0.1 (DNS rebinding), and the reader's
browser then lets it read what is served there. Such a request names the other site, as its host or
as its origin, and is refused.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Addresses to listen at that stand for every one of the machine.
EVERYWHERE = ("0.0.0.0", "::", "")
REFUSED = 403
POLICY_VIOLATION = 1008  # of WebSocket, RFC 6455


class KnownHosts:
    """The names and addresses of a page.

    Args:
        host: The address that it is served at. Every address of the machine is known if it is
            served at all of them: a request that names an address, and no name, is of nobody else.
        more: Further names, such as that of a proxy.
    """

    def __init__(self, host: str, more: Iterable[str] = ()) -> None:
        self._everywhere = host in EVERYWHERE
        self._names = {*map(_plain, LOOPBACK), _plain(host), *map(_plain, more)}
        if self._everywhere:
            self._names.add(_plain(socket.gethostname()))

    def add(self, address: str) -> None:
        """Let the page be known by the host of a URL too."""
        self._names.add(_plain(urlsplit(address).hostname or ""))

    def know(self, authority: str) -> bool:
        """Whether a host, with or without a port, is one of them."""
        try:
            name = _plain(urlsplit(f"//{authority}").hostname or "")
        except ValueError:  # such as a bracket that is not closed
            return False
        return bool(name) and (name in self._names or (self._everywhere and _is_address(name)))

    def know_origin(self, origin: str) -> bool:
        """Whether a page of this origin may ask; `"null"`, which is any, may not."""
        scheme, _, authority = origin.partition("://")
        return scheme in ("http", "https") and self.know(authority)


class HostGuard:
    """Refuses requests that name another host, or come from a page of another site.

    Args:
        app: The server, as ASGI.
        hosts: What it answers to.
    """

    def __init__(self, app: Any, hosts: KnownHosts) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in ("http", "websocket") or self._is_ours(scope["headers"]):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            head = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": REFUSED, "headers": head})
            text = b"This page does not answer to that host name, or to pages of other sites.\n"
            await send({"type": "http.response.body", "body": text})

    def _is_ours(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        given = [(name.lower(), value.decode("latin-1")) for name, value in headers]
        hosts = [value for name, value in given if name == b"host"]
        origins = [value for name, value in given if name == b"origin"]
        return (
            len(hosts) == 1
            and self.hosts.know(hosts[0])
            and all(self.hosts.know_origin(origin) for origin in origins)
        )


def _plain(name: str) -> str:
    """A name as it is compared: case, brackets and a dot at the end say nothing."""
    name = name.strip().strip("[]").rstrip(".").lower()
    return str(ipaddress.ip_address(name)) if _is_address(name) else name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
