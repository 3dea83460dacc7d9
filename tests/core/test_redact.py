"""No secret survives, no ordinary line is touched, and no text takes long. In the corpus secrets stand
between « and »; those that a scanner of sources would take for real are put together here."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hemostat
from hemostat.core.redact import redact, redact_environment
from tests.support.redact_corpus import (
    HERE,
    HEX,
    MIXED,
    PEM,
    POSITIVE,
    SHAPES,
    fill_shapes,
    list_secrets,
    unmark,
)

NEGATIVE = [
    line.replace("⏎", "\n").replace("⇥", "\t") for line in (HERE / "negative.txt").read_text().splitlines()
]


def test_the_corpus_is_large():
    assert min(len(set(POSITIVE)), len(set(NEGATIVE))) >= 120


@pytest.mark.parametrize("line", POSITIVE)
def test_a_secret_is_masked(line):
    marked = fill_shapes(line)
    masked = redact(unmark(marked))
    assert "[redacted: " in masked
    for secret in list_secrets(marked):
        assert secret not in masked.replace("[redacted: ", "")
    assert redact(masked) == masked


@pytest.mark.parametrize("line", NEGATIVE)
def test_ordinary_line_is_unchanged(line):
    assert redact(line) == line


def test_text_around_a_secret_is_unchanged():
    assert redact("user=bob password=x1 host=db") == "user=bob password=[redacted: password] host=db"
    assert redact("bob password=x1 host db") == "bob password=[redacted: password] host db"
    assert redact("password=x1 y2 z3") == "password=[redacted: password]"
    assert redact("postgres://app:x1@db:5432/app") == "postgres://app:[redacted: password]@db:5432/app"
    assert redact(f"before\n{PEM}\nafter") == "before\n[redacted: private key]\nafter"


def test_text_between_two_elements_is_unchanged():
    line = "<password>x1</password> cpu 99 % <password>x2</password>"
    once = redact(line)
    assert once == line.replace("x1", "[redacted: password]").replace("x2", "[redacted: password]")
    assert redact(once) == once


def test_key_without_its_start_is_masked():
    assert redact(PEM[100:] + "\nafter") == "[redacted: private key]\nafter"


def test_addresses_are_masked_when_asked_for():
    line = "mail from bob@example.org to <eve@mail.example.com>"
    assert redact(line) == line
    assert redact(line, emails=True) == "mail from [redacted: email] to <[redacted: email]>"


def test_environment_is_masked_by_variable_names():
    masked = redact_environment(
        [
            *("PATH=/usr/bin", "DB_PASSWORD=a b=c", "URL=redis://:x1@h", "PWD=/app", "API_TOKEN=", "FLAG"),
            *(f"SSH_KEY={MIXED}", f"KEY=base64:{MIXED}=", "SORT_KEY=created_at", f"BUILD={HEX}"),
        ]
    )
    assert masked == {
        "PATH": "/usr/bin",
        "DB_PASSWORD": "[redacted: password]",
        "URL": "redis://:[redacted: password]@h",
        "PWD": "/app",
        "API_TOKEN": "",
        "FLAG": "",
        "SSH_KEY": "[redacted: key]",
        "KEY": "[redacted: key]",
        "SORT_KEY": "created_at",
        "BUILD": HEX,
    }
    assert redact_environment(masked) == masked


WORDS = st.sampled_from(
    [
        "password",
        "token",
        "=",
        ":",
        " ",
        '"',
        "\\",
        "'",
        "://",
        "@",
        "a",
        "9",
        ",",
        ";",
        "&",
        "{",
        "}",
        "\n",
        "]",
        "[redacted: token]",
        "AKIA",
        "Bearer ",
        "Authorization: ",
        "cookie=",
        "--",
        "eyJ",
        "-----END PRIVATE KEY-----",
    ]
)
ANY = st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=40).map("".join))


@given(ANY, st.booleans())
def test_redaction_is_idempotent(text, emails):
    once = redact(text, emails=emails)
    assert redact(once, emails=emails) == once


SECRET = st.text("abcXYZ019-_.~!*+/%", min_size=12, max_size=40).map(lambda text: f"q7{text}Z9")
AROUND = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60)


@pytest.mark.parametrize(
    "template",
    [
        "\n DB_PASSWORD={} \n",
        '\n "password": "{}" \n',
        "\n token={} level=info \n",
        "\n api_key='{}' \n",
        "\n Authorization: Bearer {} \n",
        "\n Cookie: sid={}; a=b \n",
        "\n postgres://app:{}@db/app \n",
        "\n app --password {} --x \n",
        "\n mysql -p{} app \n",
        "\n Server=db;Password={};Encrypt=true \n",
    ],
)
@given(before=AROUND, secret=SECRET, after=AROUND)
def test_secret_is_masked_in_any_context(template, before, secret, after):
    assert secret not in redact(before + template.format(secret) + after)


@pytest.mark.parametrize("shape", sorted(SHAPES))
@given(before=AROUND, after=AROUND)
def test_secret_of_known_shape_is_masked_in_any_context(shape, before, after):
    prefix = {"slack_hook": "https://hooks.slack.com/", "discord_hook": "https://discord.com/api/webhooks/"}
    text = f"{before} {prefix.get(shape, '')}{SHAPES[shape]} {after}"
    assert SHAPES[shape] not in redact(text)


@pytest.mark.parametrize(
    "unit",
    [
        "password",
        "token=",
        'password="',
        'password=\\"',
        "://",
        "://:",
        "://a:@",
        "eyJ",
        "eyJ-",
        "mysql -p",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "authorization: bearer ",
        "cookie=a",
        "\\",
        "sk-",
        "a@",
        "aaaa.",
        "[redacted: token]",
        "password: |\n a\n",
        "A",
        " ",
        "\n",
        "token,a=",
        "login a password ",
        "a:",
        "a:b@tcp(",
        "1//0",
        "a8Q~",
        "dp.st.",
        "password%3D",
    ],
)
@pytest.mark.timeout(60)
def test_hostile_line_of_a_megabyte_is_processed_in_time(unit):
    redact((unit * (1_000_000 // len(unit) + 1))[:1_000_000], emails=True)


def test_patterns_have_no_possessive_groups():
    """`re` of Python 3.11 before 3.11.5, the one of Debian 12 among them, then masks the wrong characters or
    raises SystemError."""
    possessive = re.compile(r"\)(?:[*+?]|\{[\d,]+\})\+")
    sources = list(Path(hemostat.__file__).parent.rglob("*.py"))
    assert [path.name for path in sources if possessive.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[1mpassword\x1b[0m: {}",
        "\x1b[1mpassword:\x1b[0m {}",
        "passwo\x1b[0mrd={}",
        "password\x1b[38;5;196m={}",
        "\x9b1mDB_PASSWORD\x9bm={}",
        "password: \x1b[32m{}\x1b[0m",
        "\x1b[2K\x1b[1Gtoken:\x1b[0m {}",
        "\x1b[1mpassword\x1b(B\x1b[m: {}",
        "password: \x1b]8;;https://vault.example/x\x07{}\x1b]8;;\x07",
        '{{"msg":"\\\\u001b[1mpassword\\\\u001b(B\\\\u001b[m: {}"}}',
    ],
)
def test_terminal_colours_do_not_hide_a_secret(text):
    assert "Zq7Kp2Vx9Lm" not in redact(text.format("Zq7Kp2Vx9Lm"))


def test_lines_of_a_private_key_are_hidden_behind_the_prefix_of_a_log():
    lines = ["-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASCBKcwggSjAgEAAoIB"]
    log = "\n".join(f"12:00:0{number} app | {line}" for number, line in enumerate(lines))
    shown = redact(f"{log}\nready")
    assert "MIIEvQ" not in shown
    assert "AQEFAA" not in shown
    assert shown.endswith("ready")
