"""One tree of settings: what wins, what is refused, and how a person is told."""

import codecs
import os
import re
import socket
from pathlib import Path

import pytest

import hemostat
from hemostat import config
from hemostat.config import FIELDS, Settings, get_variable_name, load, mask_settings
from hemostat.core.settings import environment
from hemostat.core.settings.alert import Channel
from hemostat.errors import ConfigError, UsageError
from hemostat.events import Kind, Severity

EXAMPLE = Path(hemostat.__file__).parents[1] / "hemostat.toml.example"


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "hemostat.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def read(path=None, environ=(), **flags):
    changes = {key.replace("__", "."): value for key, value in flags.items()}
    return load(path, flags=changes, environ=dict(environ), search=[])


def test_defaults_apply_without_configuration():
    loaded = read()
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.path is None


def test_flags_precede_environment_file_and_defaults(write):
    path = write("[responder]\nbudget = 5\nconcurrency = 6\ncooldown = '2h'\n")
    environ = {"HEMOSTAT_RESPONDER_BUDGET": "7", "HEMOSTAT_RESPONDER_CONCURRENCY": "8"}
    loaded = read(path, environ, responder__budget="9")
    limits = loaded.settings.responder
    assert (limits.budget, limits.concurrency, limits.cooldown, limits.expire) == (9, 8, 7200.0, 900.0)
    assert loaded.origins["responder.budget"] == "flag"
    assert loaded.origins["responder.concurrency"] == "environment HEMOSTAT_RESPONDER_CONCURRENCY"
    assert loaded.origins["responder.cooldown"] == f"file {path}"
    assert loaded.origins["responder.expire"] == "default"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("monitor.window", "1m30s", 90.0),
        ("monitor.cpu", "97.5", 97.5),
        ("monitor.disk", "1GiB", 1024**3),
        ("responder.budget", "0", 0),
        ("responder.mode", "dry-run", "dry-run"),
        ("responder.actions", "restart, scale", ("restart", "scale")),
        ("responder.protect", "", ()),
    ],
)
def test_flags_and_environment_parse_text_alike(key, text, value):
    from_flag = load(flags={key: text}, environ={}, search=[]).settings
    from_environ = load(environ={get_variable_name(key): text}, search=[]).settings
    table, name = key.split(".")
    assert getattr(getattr(from_flag, table), name) == value
    assert from_flag == from_environ


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[monitr]\ncpu = 1", "unknown key monitr.cpu: did you mean monitor.cpu?"),
        ("cpu = 1", "unknown key cpu"),
        ("[monitor]\ncpu = 'much'", "monitor.cpu: Expected `float`"),
        ("[monitor]\nwindow = '10 parsecs'", "monitor.window: '10 parsecs' is not a duration"),
        ("[responder]\nmode = 'yolo'", "responder.mode: 'yolo' is not one of auto, approve, dry-run"),
        ("[responder]\nbudget = -1", "responder.budget: Expected `int` >= 0"),
        ("monitor = 3", "unknown key monitor"),
        ("[monitor", "is not TOML"),
        (f"a = {'[' * 9999}{']' * 9999}", "is not TOML"),
        (f"[{'.'.join('a' * 9999)}]\nb = 1", "is not TOML"),
        (f"a = {'9' * 9999}", "is not TOML"),
    ],
)
def test_invalid_file_is_named_with_its_key(write, text, message):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


FOREIGN = {
    "HEMOSTAT_IMAGE": "registry/hemostat:1",
    "HEMOSTAT_PORT": "tcp://10.0.0.1:80",
    "HEMOSTAT_SERVICE_HOST": "10.0.0.1",
    "HEMOSTAT_PORT_80_TCP_ADDR": "10.0.0.1",
    "HEMOSTAT_REDIS_SERVICE_PORT_TCP_REDIS": "6379",
    "HEMOSTAT_NAME": "/app/hemostat",
    "HEMOSTAT_STORE_ENV_POSTGRES_PASSWORD": "x",
}


@pytest.mark.parametrize("text", ["inf", "nan", "1e308", "1e309", "-inf", "9" * 30])
@pytest.mark.parametrize("key", ["window", "cpu", "loop_deaths", "disk"])
def test_unusable_number_is_refused(write, key, text):
    with pytest.raises(ConfigError, match=f"monitor.{key}: .{{1,200}}$"):
        load(write(f"[monitor]\n{key} = {text}"), environ={})


def test_foreign_variable_is_named_and_ignored():
    loaded = read(environ=FOREIGN)
    assert loaded.settings == Settings()
    assert {each.name for each in loaded.unknown} == set(FOREIGN)
    assert not any(each.nearest or each.mistyped for each in loaded.unknown)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HEMOSTAT_MONITOR_CPUS", "HEMOSTAT_MONITOR_CPU"),
        ("HEMOSTAT_RESPONDER__MODE", "HEMOSTAT_RESPONDER_MODE"),
        ("HEMOSTAT_TUI__MOUSE", "HEMOSTAT_TUI_MOUSE"),
        ("HEMOSTAT_RESPONDER_BUGDET", "HEMOSTAT_RESPONDER_BUDGET"),
    ],
)
def test_misspelt_variable_is_named_with_the_nearest(name, meant):
    (unknown,) = read(environ={name: "3"}).unknown
    assert (unknown.nearest, unknown.mistyped) == (meant, True)


def test_no_setting_is_named_like_a_docker_service_link():
    assert not any(environment.SERVICE_LINK_SUFFIX.search(get_variable_name(key)) for key in FIELDS)


def test_an_empty_variable_counts_as_unset(write):
    path = write('host = "here"')
    environ = {get_variable_name(key): " " for key in FIELDS} | {"HEMOSTAT_CONFIG": ""}
    loaded = read(path, environ=environ)
    assert (loaded.settings.host, loaded.origins["responder.budget"]) == ("here", "default")


def test_variable_may_end_with_a_carriage_return():
    assert read(environ={"HEMOSTAT_RESPONDER_BUDGET": "7\r\n"}).settings.responder.budget == 7


def test_a_variable_that_is_not_utf8_is_refused():
    with pytest.raises(ConfigError, match="HEMOSTAT_HOST is not UTF-8"):
        read(environ={"HEMOSTAT_HOST": "h\udcff"})


TOML = '[responder]\r\nmode = "dry-run"\r\n'


@pytest.mark.parametrize("data", [TOML.encode(), codecs.BOM_UTF8 + TOML.encode()])
def test_a_file_from_windows_is_read(tmp_path, data):
    path = tmp_path / "hemostat.toml"
    path.write_bytes(data)
    assert read(path).settings.responder.mode == "dry-run"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (TOML.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (TOML.encode("utf-16-be"), "is UTF-16; save it as UTF-8"),
        (codecs.BOM_UTF16_BE + TOML.encode("utf-16-be"), "is UTF-16"),
        (TOML.encode("utf-32"), "is UTF-32; save it as UTF-8"),
        (b'host = "here"\n# caf\xe9\n', r"is not UTF-8 \(byte 0xe9 in line 2\)"),
        (b'host = "here"\n\0\n', "NUL byte in line 2"),
    ],
)
def test_file_in_another_encoding_is_named(tmp_path, data, told):
    path = tmp_path / "hemostat.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=told):
        read(path)


def test_directory_or_pipe_is_refused_as_configuration(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is a named pipe, not a file"):
        read(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is a directory, not a file"):
        load(environ={}, search=[tmp_path])
    with pytest.raises(ConfigError, match="is a device, not a file"):
        read(Path("/dev/zero"))


def test_table_of_any_depth_in_the_environment_is_refused():
    with pytest.raises(ConfigError, match=r"ALERT_CHANNELS: alert\.channels: maximum"):
        load(environ={"HEMOSTAT_ALERT_CHANNELS": "[" * 100_000}, search=[])


def test_dev_null_is_an_empty_configuration():
    assert read(Path("/dev/null")).settings == Settings()


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfpa ss/#\r\n", b"pa ss/#", b"pa ss/#\nnot this"])
def test_password_file_is_read_without_its_line_end(tmp_path, data):
    path = tmp_path / "password"
    path.write_bytes(data)
    settings = read(redis__password_file=str(path)).settings
    assert (settings.redis_password,) == ("pa ss/#",)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        *((f"redis://:a{char}SECRET@127.0.0.1:6379/0", "percent-encoded") for char in "/?#[]"),
        ("redis://u:12/SECRET@h", "percent-encoded"),
        ("redis://u:a/b@SECRET@h", "percent-encoded"),
        ("redis://#SECRET@h", "percent-encoded"),
        ("redis://h/0?password=a@SECRET", "percent-encoded"),
        ("u:SECRET@h:6379", "does not start with redis://"),
        ("SECRET", "does not start with redis://"),
        ("redis+sentinel://:SECRET@a:1,b:2/main", "Sentinel is not supported"),
        ("redis://:SECRET@a:1,b:2", "several servers"),
        ("redis://:SECRET@::1:6379/0", "needs brackets"),
        ("redis://:SECRET@h:port", "port is not a number"),
    ],
)
def test_invalid_redis_url_is_masked(url, why):
    with pytest.raises(ConfigError, match=why) as raised:
        read(environ={"HEMOSTAT_REDIS_URL": url})
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        *(f"redis://:a{char}b@127.0.0.1:6379/0" for char in "%@:\"' \\`"),
        "redis://u:p@[::1]:6379/0",
        "rediss://h?db=2",
        "unix:///run/redis.sock?db=1",
        "redis://localhost",
    ],
)
def test_valid_redis_url_is_accepted(url):
    assert read(environ={"HEMOSTAT_REDIS_URL": url}).settings.redis.url == url


def test_an_unknown_flag_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"monitor\.cpus is not a setting: did you mean monitor\.cpu"):
        load(flags={"monitor.cpus": "3"}, environ={}, search=[])


def test_explicit_file_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="no configuration file"):
        read(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="no configuration file"):
        read(environ={"HEMOSTAT_CONFIG": str(tmp_path / "none.toml")})


def test_first_existing_file_is_read(write, tmp_path):
    path = write("host = 'here'")
    loaded = load(environ={}, search=[tmp_path / "none.toml", path])
    assert (loaded.settings.host, loaded.path) == ("here", path)


def test_secrets_are_masked_in_shown_settings():
    settings = read(
        environ={
            "HEMOSTAT_ALERT_SLACK_WEBHOOK": "https://hooks.example/T0/geheim",
            "HEMOSTAT_REDIS_URL": "redis://me:geheim@db:6379/0",
            "HEMOSTAT_STORE_URL": "postgresql:///db?password=geheim&host=/run",
            "HEMOSTAT_ANALYZER_BASE_URL": "https://models/v1?api_key=geheim",
        }
    ).settings
    told = mask_settings(settings)
    assert told["store.url"] == "postgresql:///db?password=********&host=/run"
    assert "geheim" not in str(told)
    assert told["redis.url"] == "redis://********@db:6379/0"


def test_secret_is_the_first_line_of_its_file(tmp_path):
    file = tmp_path / "webhook"
    file.write_text("https://hooks.example/x\nsecond line\n")
    settings = read(alert__slack_webhook_file=str(file)).settings
    assert settings.slack_url == "https://hooks.example/x"


def test_missing_secret_file_is_named_with_its_key(tmp_path):
    settings = read(redis__password_file=str(tmp_path / "none")).settings
    with pytest.raises(ConfigError, match=r"redis\.password_file: .* cannot be read"):
        _ = settings.redis_password


def test_example_sets_nothing():
    assert set(load(EXAMPLE, environ={}).origins.values()) == {"default"}


def test_commented_settings_of_the_example_are_the_defaults(write):
    loaded = load(write(re.sub(r"(?m)^#(?=[a-z_]+ = )", "", EXAMPLE.read_text("utf-8"))), environ={})
    assert loaded.settings == Settings()
    assert {key for key, origin in loaded.origins.items() if origin == "default"} == set()


def test_the_example_explains_every_setting():
    """Each key has a comment above it, its own or the one it shares with the key before."""
    lines = EXAMPLE.read_text("utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"#[a-z_]+ = ", line)]
    assert len(keys) == len(FIELDS)
    for number in keys:
        assert lines[number - 1].startswith("# ") or number - 1 in keys, lines[number]


def test_every_setting_has_its_own_variable():
    assert len({get_variable_name(key) for key in FIELDS}) == len(FIELDS)
    assert config.OWN_VARIABLES.isdisjoint(map(get_variable_name, FIELDS))


OPS = """
[alert.channels.ops]
url = "ntfys://ops-geheim"
severity = "critical"
hosts = ["db*"]
"""


def test_channel_has_a_url_and_filters(write):
    ops = read(write(OPS)).settings.channels["ops"]
    assert ops == Channel(url="ntfys://ops-geheim", severity=Severity.CRITICAL, hosts=("db*",))


def test_channels_may_come_from_the_environment_as_json():
    environ = {"HEMOSTAT_ALERT_CHANNELS": '{"ops": {"url": "ntfys://topic", "kinds": ["oom"]}}'}
    assert read(None, environ).settings.channels == {"ops": Channel(url="ntfys://topic", kinds=(Kind.OOM,))}


def test_slack_webhook_is_a_channel_with_filters(write):
    file = write("[alert]\nslack_webhook = 'https://hooks.example/x'\n[alert.channels.slack]\nhosts = ['db']")
    assert read(file).settings.channels == {"slack": Channel(url="https://hooks.example/x", hosts=("db",))}
    environ = {"HEMOSTAT_ALERT_SLACK_WEBHOOK": "https://hooks.example/x"}
    assert read(None, environ).settings.channels == {"slack": Channel(url="https://hooks.example/x")}
    assert read().settings.channels == {}


def test_url_of_a_channel_may_be_in_a_file(tmp_path, write):
    secret = tmp_path / "url"
    secret.write_text("ntfys://topic\n")
    settings = read(write(f"[alert.channels.ops]\nurl_file = '{secret}'")).settings
    assert settings.channels["ops"].url == "ntfys://topic"
    assert mask_settings(settings)["alert.channels"]["ops"]["url_file"] == str(secret)
    secret.write_text("")
    with pytest.raises(ConfigError, match=r"alert\.channels\.ops has no URL"):
        _ = settings.channels


def test_url_of_a_channel_is_never_shown(write):
    values = mask_settings(read(write(OPS + "[alert]\nheartbeat_url = 'https://hc.example/geheim'")).settings)
    assert "geheim" not in str(values)
    assert values["alert.channels"]["ops"]["hosts"] == ("db*",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[alert.channels.ops]\nhosts = ['a']", "alert.channels.ops has neither url nor url_file"),
        ("[alert.channels.ops]\nurl = 'a://b'\nkind = ['oom']", "alert.channels: .*kind"),
        ("[alert.channels.ops]\nurl = 'a://b'\nkinds = ['ooom']", "alert.channels: .*ooom"),
        ("[alert.templates]\nheeled = 'x'", "alert.templates.heeled is not a topic"),
        ("[alert.templates]\nhealed = '{nobody}'", "alert.templates.healed names {nobody}"),
        ("[alert]\nquiet = '22-7'", "alert.quiet"),
    ],
)
def test_error_in_a_channel_names_file_and_key(write, text, told):
    path = write(text)
    with pytest.raises(ConfigError, match=f"file {path}: {told}"):
        read(path)


GUIDE = EXAMPLE.parent / "docs" / "NOTIFICATIONS.md"


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL))
def test_examples_of_the_notification_guide_are_valid(write, text):
    alerting = read(write(text)).settings.alert
    assert alerting.channels or alerting.templates


def test_audit_keys_are_the_lines_of_their_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(f"{'a' * 16}\n\n  {'b' * 16}\n")
    settings = read(store__audit_key_file=str(file)).settings
    assert settings.audit_keys == (b"a" * 16, b"b" * 16)
    assert read().settings.audit_keys == ()


def test_audit_key_may_be_a_systemd_credential(tmp_path, monkeypatch):
    (tmp_path / "hemostat-audit-key").write_text("c" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read().settings.audit_keys == (b"c" * 32,)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "none"))
    assert read().settings.audit_keys == ()


@pytest.mark.parametrize("text", ["", "short", f"{'a' * 16}\nshort"])
def test_short_audit_key_is_refused(tmp_path, text):
    (file := tmp_path / "key").write_text(text)
    with pytest.raises(ConfigError, match=r"store\.audit_key_file: .* needs a key of at least 16"):
        _ = read(store__audit_key_file=str(file)).settings.audit_keys


WEBHOOK = "https://hooks.slack.example/services/T00/B00/SECRETSECRET"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alert.slack_webhook_file", WEBHOOK),
        ("alert.heartbeat_url_file", WEBHOOK),
        ("analyzer.api_key_file", "SECRETSECRET"),
        ("redis.password_file", "SECRETSECRET"),
        ("store.audit_key_file", "SECRETSECRET"),
        ("store.url_file", "postgresql://u:SECRETSECRET@db/x"),
    ],
)
def test_secret_in_the_setting_for_its_file_is_not_shown(key, value):
    settings = load(environ={}, search=[], flags={key: value}).settings
    assert "SECRET" not in str(mask_settings(settings))
    with pytest.raises(ConfigError, match=f"{key}: .* cannot be read") as caught:
        _ = [getattr(settings, name) for name in SECRET_PROPERTIES]
    assert "SECRET" not in str(caught.value)


SECRET_PROPERTIES = ("redis_password", "api_key", "store_url", "audit_keys", "slack_url", "heartbeat_url")


@pytest.mark.parametrize(
    "channels", [{WEBHOOK: {"url": "json://x"}}, {WEBHOOK: {}}, {"ops": {"url_file": WEBHOOK}}]
)
def test_channel_url_in_a_wrong_place_is_not_shown(channels):
    with pytest.raises(ConfigError, match=r"alert\.channels") as caught:
        _ = load(environ={}, search=[], flags={"alert.channels": channels}).settings.channels
    assert "SECRET" not in str(caught.value)


def test_address_of_metrics_with_a_password_is_not_shown():
    with pytest.raises(ConfigError, match="is not host:port") as caught:
        load(environ={}, search=[], flags={"metrics.address": "http://u:geheim@host"})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"), [("ssh://me@web1:22", "web1"), ("ssh://localhost", ""), ("tcp://web1:2376", "")]
)
def test_host_of_an_address_for_ssh_is_the_name_in_events(url, name):
    loaded = load(flags={"engine.url": url}, environ={}, search=[])
    assert loaded.settings.host_name == (name or socket.gethostname())
    named = load(flags={"engine.url": url, "host": "own"}, environ={}, search=[])
    assert named.settings.host_name == "own"


def test_unreadable_address_for_ssh_is_refused_without_its_password():
    with pytest.raises(ConfigError, match=r"flag: engine\.url: its user is unreadable") as raised:
        load(flags={"engine.url": "ssh://me:hunter2@h"}, environ={}, search=[])
    assert "hunter2" not in str(raised.value)


def load_engines(engines, environ=(), **flags):
    return load(flags={"engines": engines, **flags}, environ=dict(environ), search=[]).settings


def test_engine_may_be_a_url_or_a_table(tmp_path):
    file = tmp_path / "hemostat.toml"
    file.write_text(
        '[engines]\nweb1 = "ssh://me@web1"\n[engines.web2]\nurl = "tcp://web2:2376"\nca_file = "/ca.pem"\n'
    )
    loaded = load(file, environ={"DOCKER_HOST": "tcp://elsewhere:1"})
    one, other = loaded.settings.split_by_engine().values()
    assert (one.host_name, one.engine.url) == ("web1", "ssh://me@web1")
    assert (other.host_name, other.engine.url, other.engine.ca_file) == ("web2", "tcp://web2:2376", "/ca.pem")
    assert list(one.split_by_engine()) == ["web1"]
    selected = loaded.select_engine("web2")
    assert (selected.settings, selected.origins["host"]) == (other, f"file {file}")


def test_flag_changes_one_engine_of_the_table(tmp_path):
    file = tmp_path / "hemostat.toml"
    file.write_text('[engines]\nweb1 = "ssh://web1"\nweb2 = "ssh://web2"\n')
    flags = {"engines.web2": "ssh://other", "engines.web3": "unix:///run/x.sock"}
    settings = load(file, flags=flags, environ={}).settings
    assert {name: each.url for name, each in settings.engines.items()} == {
        "web1": "ssh://web1",
        "web2": "ssh://other",
        "web3": "unix:///run/x.sock",
    }


def test_environment_may_name_several_engines():
    environ = {"HEMOSTAT_ENGINES": '{"web1": "ssh://web1", "web2": {"url": "unix:///x"}}'}
    assert list(load(environ=environ, search=[]).settings.engines) == ["web1", "web2"]


@pytest.mark.parametrize(
    ("engines", "why"),
    [
        ({"web 1": "ssh://a"}, "is not a name"),
        ({"a:b": "ssh://a"}, "is not a name"),
        ({"*": "ssh://a"}, "is not a name"),
        ({"": "ssh://a"}, "is not a name"),
        ({"w\n": "ssh://a"}, "is not a name"),
        ({"w" * 65: "ssh://a"}, "longer than 64"),
        ({f"w{number}": f"ssh://w{number}" for number in range(51)}, "51 engines are more than 50"),
        ({"w": ""}, "has no URL"),
        ({"w": {}}, "has no URL"),
        ({"w": {"ulr": "ssh://a"}}, "unknown field"),
        ({"w": 5}, "'w' is neither a URL nor a table"),
        ({"w": "ftp://geheim"}, "begins with none of"),
        ({"w": "geheim"}, "begins with none of"),
        ({"w": "unix://"}, "no path of a socket"),
        ({"w": "unix://x"}, "no path of a socket"),
        ({"w": "tcp://"}, "host or port"),
        ({"w": "tcp://h:geheim"}, "host or port"),
        ({"w": "tcp://h:99999"}, "host or port"),
        ({"w": "ssh://me:geheim@h"}, "user is unreadable"),
        ({"w": "ssh://-oProxyCommand=geheim"}, "host is missing or unreadable"),
        ({"w": "tcp://h/\x1b[2J"}, "control character"),
        ({"w": "tcp://h/" + "x" * 2000}, "longer than 1000"),
        ({"w": {"url": "unix:///x", "ca_file": "/ca"}}, "does not use TLS"),
        ({"w": {"url": "ssh://h", "key_file": "/key"}}, "does not use TLS"),
        ({"a": "ssh://h", "b": "SSH://h/var/run/docker.sock"}, "has the address of a"),
        ({"a": "tcp://H:1", "b": "tcp://h:1/"}, "has the address of a"),
        ({"a": "unix:///x/../y", "b": "unix:///y"}, "has the address of a"),
    ],
)
def test_unusable_engine_is_refused_without_its_password(engines, why):
    with pytest.raises(ConfigError, match=why) as raised:
        load_engines(engines)
    assert "geheim" not in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("key", "value"), [("host", "x"), ("engine.url", "ssh://x"), ("engine.ca_file", "/ca.pem")]
)
def test_engines_are_not_combined_with_host_or_engine(key, value):
    with pytest.raises(ConfigError, match=rf"flag: {key} cannot be combined with engines"):
        load_engines({"web1": "ssh://web1"}, **{key: value})


def test_only_engine_is_selected_and_of_several_the_named_one():
    assert load_engines({"web1": "ssh://web1"}).select_engine().host == "web1"
    several = load_engines({"web1": "ssh://web1", "db": "ssh://db"})
    with pytest.raises(UsageError, match="several engines are configured: db, web1"):
        several.select_engine()
    with pytest.raises(UsageError, match=r"no engine is named 'web'"):
        several.select_engine("web")
    with pytest.raises(UsageError, match="no engine is named 'web1'"):
        Settings().select_engine("web1")


def test_urls_of_engines_are_shown_without_secrets():
    masked = mask_settings(load_engines({"w": "tcp://u:geheim@h:2375", "v": "ssh://me@v"}))["engines"]
    assert masked == {"w": {"url": "tcp://********@h:2375"}, "v": {"url": "ssh://********@v"}}
