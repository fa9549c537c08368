"""Requests that name the page reach it, and requests of other sites do not."""

import asyncio
from typing import Any

import pytest

from vision.predict.demo_hosts import HostGuard, KnownHosts


def ask(hosts: KnownHosts, *headers: tuple[str, str], kind: str = "http") -> list[Any]:
    """What a server behind the guard answers to a request with these headers."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send("answered")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "headers": [(k.encode(), v.encode()) for k, v in headers]}
    asyncio.run(HostGuard(app, hosts)(scope, None, send))
    return sent


LOCAL = KnownHosts("127.0.0.1")
OPEN = KnownHosts("0.0.0.0", ["demo.example.org"])


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        (LOCAL, "127.0.0.1:7860"),
        (LOCAL, "localhost"),
        (LOCAL, "LOCALHOST.:80"),
        (LOCAL, "[::1]:7860"),
        (OPEN, "10.1.2.3:7860"),
        (OPEN, "[fe80::1]"),
        (OPEN, "demo.example.org:443"),
    ],
)
def test_its_own_names_reach_it(hosts: KnownHosts, name: str) -> None:
    assert ask(hosts, ("host", name)) == ["answered"]
    assert ask(hosts, ("Host", name), ("origin", f"http://{name}")) == ["answered"]


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("host", ""),),
        (("host", "evil.example"),),
        (("host", "127.0.0.1.evil.example"),),
        (("host", "localhost@evil.example"),),
        (("host", "10.0.0.5"),),
        (("host", "[::1"),),
        (("host", "localhost"), ("host", "evil.example")),
        (("host", "localhost"), ("origin", "http://evil.example")),
        (("host", "localhost"), ("origin", "null")),
        (("host", "localhost"), ("origin", "file://")),
    ],
)
def test_other_names_are_refused(headers: tuple[tuple[str, str], ...]) -> None:
    start, body = ask(LOCAL, *headers)
    assert (start["status"], body["type"]) == (403, "http.response.body")
    assert ask(LOCAL, *headers, kind="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_a_name_is_no_address_of_the_machine() -> None:
    assert ask(OPEN, ("host", "evil.example"))[0]["status"] == 403


def test_a_page_that_is_shared_has_one_name_more() -> None:
    hosts = KnownHosts("127.0.0.1")
    hosts.add("https://abc.share.example/")
    assert ask(hosts, ("host", "abc.share.example")) == ["answered"]
