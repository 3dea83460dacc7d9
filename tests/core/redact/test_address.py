"""URLs of the settings as they may be shown."""

import pytest

from hemostat.core.redact.address import format_host, has_login, mask_secret, mask_url

CHARACTERS = "/#?%@:[]\"' \\`&;="
LOGINS = [
    *(f"u:a{char}SECRET@h:1" for char in CHARACTERS),
    *(f":{char}SECRET@h:1" for char in CHARACTERS),
    *(f"{char}SECRET@h:1" for char in CHARACTERS),
    *(f"u:{one}{other}SECRET@h/0" for one in CHARACTERS for other in CHARACTERS),
    "u:12/SECRET@h",
    "u:a@SECRET@h",
    "SECRET@h",
    "h/0?password=SECRET",
    "h/0?password=a@SECRET",
    "h/v1#SECRET",
    "h/v1?SECRET",
]


@pytest.mark.parametrize("scheme", ["redis://", "postgresql+psycopg://", "https://", "unix://", ""])
def test_secret_with_any_characters_is_masked(scheme):
    local = scheme == "unix://"  # where a slash begins a path
    urls = [scheme + login for login in LOGINS if not (local and login.startswith("/"))]
    assert [url for url in urls if "SECRET" in mask_url(url) + format_host(url)] == []
    assert scheme == "" or all(map(has_login, urls))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:x@h:6379/0", "redis://********@h:6379/0"),
        ("rediss://u:x@[::1]:6379/0?db=1", "rediss://********@[::1]:6379/0?db=1"),
        ("unix:///run/a@b/r.sock?password=x&db=1", "unix:///run/a@b/r.sock?password=********&db=1"),
        ("sqlite:////var/lib/history.db", "sqlite:////var/lib/history.db"),
        ("x", "********"),
        ("", ""),
    ],
)
def test_other_parts_of_the_url_are_shown(url, shown):
    assert mask_url(url) == shown


def test_password_is_masked_in_error_texts():
    assert mask_secret("no host 'SECRET@h'", "SECRET", None, "") == "no host '********@h'"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "redis://u:SECRET",
            "redis://h:SECRET",
            "redis://h:12SECRET",
            "tcp://u:SECRET",
            "postgresql://u:SECRET/db",
        ),
        *(
            "u:SECRET@h:6379",
            "SECRET@h",
            "h/?key=SECRET",
            "redis:/u:SECRET@h",
            "//u:SECRET@h",
            "redis:u:SECRET@h",
        ),
    ],
)
def test_incomplete_url_is_masked(url):
    assert "SECRET" not in mask_url(url)
    assert "SECRET" not in format_host(url)


@pytest.mark.parametrize(
    "url", ["redis://u:SECRET", "tcp://u:SECRET@h", "http://h/?key=SECRET", "redis://h:12x"]
)
def test_possible_login_is_recognised(url):
    assert has_login(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:6379/0",
        "redis://h",
        "unix:///run/x.sock",
        "tcp://10.0.0.1:2375",
        "redis://[::1]:6379",
        "http://h:1/v",
    ],
)
def test_plain_address_is_shown(url):
    assert (mask_url(url), has_login(url)) == (url, False)
