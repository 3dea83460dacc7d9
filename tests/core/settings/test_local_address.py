"""The name localhost has two addresses: a local user can listen on the one that a service does not use."""

import pytest

from hemostat.core.settings.local_address import use_ipv4_localhost


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("redis://localhost:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:p%40localhost@localhost", "redis://:p%40localhost@127.0.0.1"),
        (
            "redis://localhost:secret@LOCALHOST/1?x=localhost",
            "redis://localhost:secret@127.0.0.1/1?x=localhost",
        ),
        ("http://localhost:11434/v1", "http://127.0.0.1:11434/v1"),
        ("tcp://localhost:2375", "tcp://127.0.0.1:2375"),
        ("redis://:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://user:secret@/0", "redis://user:secret@127.0.0.1/0"),
        ("redis://%6cocalhost:6379", "redis://127.0.0.1:6379"),
        ("redis://localhost.localdomain.", "redis://127.0.0.1"),
        ("gotify://localhost/token", "gotify://127.0.0.1/token"),
    ],
)
def test_localhost_is_replaced_by_its_ipv4_address(url, used):
    assert use_ipv4_localhost(url) == used


@pytest.mark.parametrize(
    "url",
    [
        "redis://[::1]:6379/0",
        "redis://localhost.example/0",
        "redis://localhost:secret@redis.example/0",
        "gotifys://localhost/token",
        "mailto://user:secret@localhost",
        "redis://x-localhost/0",
        "rediss://localhost:6380/0",
        "https://localhost/v1",
        "unix:///run/localhost/redis.sock",
        "",
        "localhost:6379",
    ],
)
def test_other_addresses_are_unchanged(url):
    assert use_ipv4_localhost(url) == url
