"""Mistakes in the address of Redis, and the hint that helps."""

import pytest

from hemostat.core.settings.redis_address import NO_MISTAKE, find_mistake


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://localhost:6379/0",
        "REDISS://user:pa%23ss@redis:6380",
        "redis://:secret@[::1]:6379/0?db=1",
        "redis://redis",
        "redis://redis:/0",
        "redis://redis:1",
        "redis://redis:65535",
        "unix:///run/redis.sock",
        "unix:///run/re#dis.sock",
        "unix://user:secret@/run/redis.sock",
    ],
)
def test_valid_address_has_no_mistake(url):
    assert find_mistake(url) == NO_MISTAKE


@pytest.mark.parametrize(
    ("url", "mistake", "hint"),
    [
        ("sentinel://a", "Redis Sentinel is not supported yet", "the address of the primary"),
        ("redis+sentinel://a", "Redis Sentinel is not supported yet", "the address of the primary"),
        ("redis+cluster://a", "Redis Cluster is not supported", "without cluster mode"),
        ("valkey://a", "it does not start with redis://", "use redis://"),
        ("http://a", "it does not start with redis://", "such as redis://:password@host:6379/0"),
        ("localhost:6379", "it does not start with redis://", "such as redis://"),
        ('"redis://a"', "it does not start with redis://", "remove the quotation marks"),
        ("'redis://a'", "it does not start with redis://", "remove the quotation marks"),
        ("redis://a\n", "it contains a line break", "write %23 for #"),
        ("redis://:pa#ss@a", "must be percent-encoded", "write %23 for #"),
        ("redis://:pa/ss@a", "must be percent-encoded", "write %23 for #"),
        ("unix://us/er@/run/redis.sock", "must be percent-encoded", "write %23 for #"),
        ("redis://a:1,b:2", "it names several servers", "name one"),
        ("redis://a]b", "its host is unreadable", "such as redis://"),
        ("redis://::1:6379", "an IPv6 address needs brackets", "such as redis://[::1]:6379/0"),
        ("redis://a:0", "its port is not a number from 1 to 65535", "write %23 for #"),
        ("redis://a:65536", "its port is not a number from 1 to 65535", "write %23 for #"),
        ("redis://a:port", "its port is not a number from 1 to 65535", "write %23 for #"),
        ("redis://a:\u0661", "its port is not a number from 1 to 65535", "write %23 for #"),
    ],
)
def test_mistake_is_named_without_the_address(url, mistake, hint):
    text, advice = find_mistake(url)
    assert mistake in text
    assert hint in advice
