"""Masking takes time in proportion to the text, whatever a hostile container prints."""

import random
import re
import time
from itertools import product

import pytest

from hemostat.core.evidence.build import MAX_LOG_BYTES, build_log_tail, build_snapshot
from hemostat.core.evidence.log_text import render_final_text
from hemostat.core.redact import headers, pairs, redact, redact_environment, redact_until, token_shapes
from tests.support.samples import needed
from tests.tui.scenes import kept

WORDS = (
    *(
        "password",
        "passphrase",
        "passcode",
        "pass",
        "db_pass",
        "pwd",
        "pw",
        "PWD",
        "requirepass",
        "masterauth",
    ),
    *(
        "secret",
        "token",
        "credential",
        "auth",
        "auth_key",
        "x-amz-signature",
        "api_key",
        "private.key",
        "sess_id",
    ),
    *("psk", "passwort", "kennwort", "mot de passe", "contraseña", "senha", "parola", "hasło", "wachtwoord"),
    *(
        "lösenord",
        "adgangskode",
        "salasana",
        "şifre",
        "пароль",
        "密码",
        "密碼",
        "口令",
        "パスワード",
        "비밀번호",
    ),
    *('"AUTH" "', "AUTH ", "setuser a >", "sqlplus a/", "routing_key", "Private-Lines: 1", "value=x,name="),
    *(
        "unseal key",
        "mysqli_connect(a,",
        "keytool -storepass",
        "mc alias set",
        "htpasswd -b",
        "password is: ",
    ),
    *("app_key", "cookie", "authorization", "authorization:digest ", "bearer", "login", "mysql", "curl -u"),
)
SEPARATORS = (
    *(
        "=",
        "=/",
        ":",
        ",",
        '","',
        "={{",
        ":{{",
        "=[a=",
        '="',
        "=\\'",
        "='",
        "/",
        "/a/",
        " ",
        "\t",
        "|",
        "->",
        " -",
    ),
    *("/value={", ",value=<", " value: [", "\nvalue=(", '/value="{', "/value=the,"),
    *("\n", ":\n", ":\n- ", ": |\n  ", ": the ", "=$(", "=*", ">", '":{"value":', '":["', "://a:", "@"),
)
LONG, SHORT = 16_384, 4_096
NOISE = 0.02
"""Seconds below which two times are not compared."""
MOST = 10
"""Times as long for a text of four times the size. Linear is 4, quadratic is 16."""


def spent(act, text: str) -> float:
    """Seconds of this thread, the least of two times."""
    best = 9.9
    for _ in range(2):
        begin = time.thread_time()
        act(text)
        best = min(best, time.thread_time() - begin)
    return best


def filled(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def slowest(units: list[str], count: int = 6) -> list[str]:
    def once(unit: str) -> float:
        begin = time.thread_time()
        redact(filled(unit, SHORT))
        return time.thread_time() - begin

    return sorted(units, key=once, reverse=True)[:count]


def linear(act, unit: str) -> bool:
    long = spent(act, filled(unit, LONG))
    return long < NOISE or long / spent(act, filled(unit, SHORT)) < MOST


def alternatives(pattern: str, name: str) -> list[str]:
    """The alternatives of a group, as patterns."""
    begin = pattern.index(f"(?P<{name}>") + len(f"(?P<{name}>")
    depth, found = 0, [""]
    for char in pattern[begin:]:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
        found = [*found, ""] if char == "|" and not depth else [*found[:-1], found[-1] + char]
    return found


def test_every_alternative_of_a_name_is_among_the_words():
    """A name that is added must be tried, too."""
    for pattern in alternatives(pairs.KEY.pattern, "word"):
        searched = re.compile(pattern, re.VERBOSE | re.IGNORECASE)
        assert any(searched.fullmatch(word) for word in WORDS), pattern


@pytest.mark.parametrize("word", WORDS)
def test_a_name_with_any_separator_takes_linear_time(word):
    for unit in slowest([word + separator for separator in SEPARATORS], 1):
        assert linear(redact, unit), unit


def test_pairs_of_patterns_take_linear_time():
    chance = random.Random(1)  # noqa: S311 - not for secrets
    units = [word + separator for word, separator in product(WORDS, SEPARATORS)]
    mixed = ["".join(chance.sample(units, 2)) for _ in range(60)]
    for unit in slowest(mixed):
        assert linear(redact, unit), unit


def test_every_shape_takes_linear_time():
    starts = [word for _, word, _ in token_shapes.SHAPES if word] + [
        "AKIA",
        "-----BEGIN X PRIVATE KEY-----",
        "://a:",
    ]
    for unit in slowest([start + end for start in starts for end in ("", "a", "-", "A1", ".")], 10):
        assert linear(redact, unit), unit


@pytest.mark.parametrize(
    "unit",
    [
        "b\b",
        "b\x1b[K",
        "\x1b[9A",
        "a\n\x1b[9A\x1b[J",
        "\ra=",
        "\x1b]",
        "\x9b9",
        "a" * 5900 + "\b",
        "a" * 1900 + "\n",
    ],
)
def test_terminal_emulation_takes_linear_time(unit):
    begin = "a" * 60_000
    assert linear(lambda text: render_final_text(begin[: len(text)] + text), unit)
    assert linear(lambda text: build_log_tail(text, MAX_LOG_BYTES), unit)


@pytest.mark.parametrize("pattern", [headers.WHOLE_HEAD, headers.BARE_HEAD])
def test_inspected_part_of_a_value_is_bounded(pattern):
    assert pattern.match("a" * 10_000).end() <= 128


@pytest.mark.parametrize("value", ["/" + "a/" * 300 + "x", "{{" + "x" * 300, "is" * 200, "1" * 400])
def test_long_value_is_masked_to_its_end(value):
    assert redact(f"token={value} end") == "token=[redacted: token] end"


def test_text_beyond_the_time_limit_is_masked():
    now = iter([0.0, 0.4, 1.1, 9.0])
    hide = redact_until(1.0, lambda: next(now))
    assert [hide("a password=x"), hide("b"), hide("c"), hide(""), hide("d")] == [
        "a password=[redacted: password]",
        "b",
        "[redacted: not checked]",
        "",
        "[redacted: not checked]",
    ]


def test_snapshot_out_of_time_shows_only_redacted_text():
    details = kept().details
    found = build_snapshot(
        needed(), None, now=0.0, log="hunter2\n" * 9, processes=["run hunter2"], details=details,
        hide=redact_until(0.0, lambda: 1.0),
    )  # fmt: skip
    assert "hunter2" not in repr(found)
    assert found.log == "[redacted: not checked]"
    assert set(found.details.environment.values()) <= {"[redacted: not checked]", "[redacted: key]"}


def test_environment_is_masked_by_given_names():
    assert redact_environment({"MODE": "x"}, lambda _: "y") == {"MODE": "y"}
