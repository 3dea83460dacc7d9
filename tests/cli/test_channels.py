"""`hemostat alert --test`: every channel is tried, and each tells how it went."""

import io
import json

import pytest

from tests.support.hook import SECRET, certify, hooked

NOT_FOUND = "the webhook answered 404 Not Found: check its address; create a deleted webhook again"


@pytest.fixture
def config(tmp_path):
    def write(**urls: str) -> str:
        file = tmp_path / "hemostat.toml"
        tables = (f"[alert.channels.{name}]\nurl = {url!r}\n" for name, url in urls.items())
        file.write_text("host = 'h'\n" + "".join(tables))
        return str(file)

    return write


def test_test_message_is_sent_to_every_channel_with_results(hemostat, config):
    with hooked() as well, hooked() as ill:
        ill.status = 404
        code, out, err = hemostat("alert", "--test", "--config", config(ops=well.url, boss=ill.url))
    assert (code, err) == (1, "")
    assert [line.split(maxsplit=1) for line in out.splitlines()[3:]] == [
        ["ops", "a webhook  sent"],
        ["boss", f"a webhook  {NOT_FOUND}"],
    ]
    assert well.heard[0].json["text"].startswith(":wave: HemoStat on h: test message\nWhere: h\n")


@pytest.mark.parametrize("read", [False, True])
def test_test_message_is_sent_to_an_address_before_any_configuration(hemostat, read, monkeypatch):
    with hooked() as well:
        url = well.url.replace("/services/", "/hooks/")
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{url}\n"))
        code, out, err = hemostat("alert", "--test", "-" if read else url)
    assert (code, err) == (0, "")
    assert out.splitlines()[3].split(maxsplit=1) == ["test", "Mattermost or Rocket.Chat  sent"]
    assert len(well.heard) == 1
    assert SECRET not in out


def test_address_that_cannot_be_used_is_refused_without_showing_it(hemostat):
    code, out, err = hemostat("alert", "--test", f"https://api.telegram.org/bot{SECRET}/sendMessage")
    assert (code, out) == (2, "")
    assert "chat_id" in err
    assert SECRET not in err


def test_untrusted_certificate_is_one_line_without_the_url(hemostat, config, tmp_path):
    with hooked(certify(tmp_path)) as ill:
        code, out, err = hemostat("alert", "--test", "--config", config(ops=ill.url))
    assert (code, err) == (1, "")
    (line,) = out.splitlines()[3:]
    assert "not trusted: self-signed certificate: correct it there" in line
    assert SECRET not in out


def test_results_are_printed_as_json(hemostat, config):
    with hooked() as well:
        code, out, _ = hemostat("alert", "--test", "--json", "--config", config(ops=well.url))
    assert code == 0
    assert json.loads(out) == [{"channel": "ops", "service": "a webhook", "ok": True, "error": ""}]


def test_failing_channel_does_not_block_others(hemostat, config):
    with hooked() as well:
        dead = f"http://127.0.0.1:9/{SECRET}"
        code, out, err = hemostat("alert", "--test", "--config", config(dead=dead, ops=well.url))
    assert code == 1
    assert len(well.heard) == 1
    assert "refuses the connection" in out
    assert SECRET not in out + err


def test_missing_channels_print_how_to_configure_one(hemostat):
    code, _, err = hemostat("alert", "--test")
    assert code == 2
    assert "alert.slack_webhook" in err


def test_settings_are_shown_without_the_urls(hemostat, config):
    file = config(ops=f"https://hooks.example/{SECRET}")
    for words in (("show",), ("show", "--origin"), ("show", "--json"), ("check",)):
        code, out, _ = hemostat("config", *words, "--config", file)
        assert code == 0
        assert SECRET not in out
