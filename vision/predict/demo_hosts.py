"""Host names that the demo page accepts: other sites must not reach it through the browser.

A site on the internet can resolve its own name to 127.0.0.1 (DNS rebinding), and the reader's
browser then lets it read what is served there. Such a request names the other site as its host or
origin, and is refused.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Addresses that listen on all interfaces of the machine.
EVERYWHERE = ("0.0.0.0", "::", "")
REFUSED = 403
POLICY_VIOLATION = 1008  # of WebSocket, RFC 6455


class KnownHosts:
    """The accepted names and addresses of a page.

    Args:
        host: The address that it is served at. If it is served at all addresses, every IP address
            is accepted: no other site can be reached by one.
        more: Further names, such as a proxy's.
    """

    def __init__(self, host: str, more: Iterable[str] = ()) -> None:
        self._everywhere = host in EVERYWHERE
        self._names = {*map(_plain, LOOPBACK), _plain(host), *map(_plain, more)}
        if self._everywhere:
            self._names.add(_plain(socket.gethostname()))

    def add(self, address: str) -> None:
        """Accept the host of a URL too."""
        self._names.add(_plain(urlsplit(address).hostname or ""))

    def know(self, authority: str) -> bool:
        """Whether a host, with or without a port, is accepted."""
        try:
            name = _plain(urlsplit(f"//{authority}").hostname or "")
        except ValueError:  # such as a bracket that is not closed
            return False
        return bool(name) and (name in self._names or (self._everywhere and _is_address(name)))

    def know_origin(self, origin: str) -> bool:
        """Whether a request from this origin is accepted; `"null"`, which can be any, is not."""
        scheme, _, authority = origin.partition("://")
        return scheme in ("http", "https") and self.know(authority)


class HostGuard:
    """Refuses requests that name another host, or come from a page of another site.

    Args:
        app: The server, as ASGI.
        hosts: The accepted hosts.
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
    """Normalise a name: ignore case, brackets and a trailing dot."""
    name = name.strip().strip("[]").rstrip(".").lower()
    return str(ipaddress.ip_address(name)) if _is_address(name) else name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
