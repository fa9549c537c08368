"""The suite of tests itself may reach no host but this one."""

import socket

import pytest
import pytest_socket


def test_other_hosts_are_refused() -> None:
    with (
        socket.socket() as connection,
        pytest.raises(pytest_socket.SocketConnectBlockedError),
    ):
        connection.connect(("192.0.2.1", 80))  # an address reserved for documentation


def test_loopback_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
