import socket
from contextlib import ExitStack

import pytest

from hemostat import web_listener
from hemostat.web_listener import BoundedListener


@pytest.fixture
def listener(monkeypatch):
    monkeypatch.setattr(web_listener, "MAX_CONNECTIONS", 3)
    with BoundedListener(socket.create_server(("127.0.0.1", 0))) as opened:
        yield opened


def is_ended(client):
    client.settimeout(0.2)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False


def connect(listener, opened):
    client = opened.enter_context(socket.create_connection(listener.getsockname()))
    return client, opened.enter_context(listener.accept()[0])


def test_connection_above_the_limit_ends_the_oldest(listener):
    with ExitStack() as opened:
        clients = [connect(listener, opened)[0] for _ in range(5)]
        assert [is_ended(each) for each in clients] == [True, True, False, False, False]


def test_upgraded_connection_is_not_ended(listener):
    with ExitStack() as opened:
        first, accepted = connect(listener, opened)
        listener.keep(accepted.fileno())
        clients = [first, *(connect(listener, opened)[0] for _ in range(4))]
        assert [is_ended(each) for each in clients] == [False, True, False, False, False]


def test_closed_connections_do_not_count(listener):
    with ExitStack() as opened:
        first, _ = connect(listener, opened)
        for _ in range(9):
            client, accepted = connect(listener, opened)
            client.close()
            accepted.close()
        assert not is_ended(first)
