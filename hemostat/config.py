"""One tree of settings, with the origin of every value.

Precedence: flags > environment > file > defaults, one ChainMap over dotted keys. `responder.budget` is
`HEMOSTAT_RESPONDER_BUDGET` in the environment and `budget` in the table `[responder]` of the file. Durations
and sizes may be numbers (seconds, bytes) or text such as "10m" and "64MiB". An empty variable counts as
unset. A variable with the prefix of HemoStat that is not a setting may belong to another program: it is
reported and ignored. An unknown key in the file or on the command line is refused. Each table except `redis`
is defined in the module of core.settings that has its name; `engine` in that of `engines`.
"""

import os
import socket
import tomllib
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import FieldInfo

from hemostat.core.settings import alert as alerting
from hemostat.core.settings import redis_address
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.settings.engines import EngineAddress, expand_urls
from hemostat.core.settings.environment import UnknownVariable, suggest_nearest
from hemostat.core.settings.metrics import MetricsSettings
from hemostat.core.settings.monitor import MonitorSettings, find_project_mistakes
from hemostat.core.settings.parse import parse_value
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.store import StoreSettings
from hemostat.core.settings.trust import TrustSettings
from hemostat.core.settings.tui import TuiSettings
from hemostat.core.settings.windows import find_window_mistakes
from hemostat.core.text import list_names, quote_text
from hemostat.core.units import MAX_BYTES, MAX_SECONDS
from hemostat.errors import ConfigError, UsageError
from hemostat.text_file import find_credential, read_key_file, read_secret_file, read_text_file, show_path
from hemostat.time_windows import find_time_zone

PREFIX: Final = "HEMOSTAT_"
FILE_NAME: Final = "hemostat.toml"
OWN_VARIABLES: Final = frozenset({"HEMOSTAT_CONFIG", "HEMOSTAT_REQUIRE_ENGINE", "HEMOSTAT_NO_COLOR"})
"""Variables with the prefix of HemoStat that are not settings."""


class Redis(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str = ""
    """Address of Redis: redis://, rediss:// or unix://; empty: the embedded one."""
    password: str = ""
    """The password in plain text. In the URL, a password must be percent-encoded."""
    password_file: str = ""
    """A file whose first line is the password, instead of a password in the URL."""
    username: str = ""
    """The user to log in as; empty: the URL's, else Redis's default user."""
    ca_file: str = ""
    """PEM certificates of the authorities trusted for rediss://; empty: the system's."""
    cert_file: str = ""
    """PEM certificate to show to a Redis that asks for one."""
    key_file: str = ""
    """PEM private key of that certificate."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = ""
    """The name of the engine's host in events; empty: that of an address for ssh, else the hostname."""
    state_dir: str = ""
    """Directory of the embedded Redis and of locks; empty: the user's state directory."""
    engines: dict[str, EngineAddress] = {}
    """Several engines by the names of their hosts, in place of `host` and `engine`. In the settings of one of
    them, only that engine, which is also `host` and `engine`."""
    redis: Redis = Redis()
    engine: EngineAddress = EngineAddress()
    monitor: MonitorSettings = MonitorSettings()
    analyzer: AnalyzerSettings = AnalyzerSettings()
    responder: ResponderSettings = ResponderSettings()
    alert: alerting.AlertSettings = alerting.AlertSettings()
    store: StoreSettings = StoreSettings()
    metrics: MetricsSettings = MetricsSettings()
    tui: TuiSettings = TuiSettings()
    trust: TrustSettings = TrustSettings()

    @property
    def host_name(self) -> str:
        return self.host or _find_remote_host(self.engine.url) or socket.gethostname()

    @property
    def machine_name(self) -> str:
        """The name of HemoStat's own machine: with the table `engines`, `host` names an engine's."""
        return socket.gethostname() if self.engines else self.host_name

    def split_by_engine(self) -> dict[str, "Settings"]:
        """Return the settings of each engine, by the name of its host."""
        if not self.engines:
            return {self.host_name: self}
        return {
            name: msgspec.structs.replace(self, host=name, engine=each, engines={name: each})
            for name, each in self.engines.items()
        }

    def select_engine(self, name: str = "") -> "Settings":
        """Return the settings of the engine of this name, or of the only engine. Raises UsageError."""
        if not self.engines and not name:
            return self
        name = name or (next(iter(self.engines)) if len(self.engines) == 1 else "")
        if name in self.engines:
            return self.split_by_engine()[name]
        names = list_names(self.engines)
        if not name:
            raise UsageError(f"several engines are configured: {names}", hint="name one with --engine NAME")
        hint = f"the configured engines are {names}" if names else "name engines in the table [engines]"
        raise UsageError(
            f"no engine is named {quote_text(name)}", hint=suggest_nearest(name, self.engines) or hint
        )

    @property
    def state_path(self) -> Path:
        if self.state_dir:
            return Path(self.state_dir).expanduser()
        import platformdirs

        return Path(platformdirs.user_state_dir("hemostat", appauthor=False))

    @property
    def redis_password(self) -> str | None:
        return self.redis.password or _read_secret("redis.password_file", self.redis.password_file)

    @property
    def api_key(self) -> str | None:
        """The configured key; None: the vendor's own environment variable applies."""
        return self.analyzer.api_key or _read_secret("analyzer.api_key_file", self.analyzer.api_key_file)

    @property
    def store_url(self) -> str:
        return self.store.url or _read_secret("store.url_file", self.store.url_file) or ""

    @property
    def audit_keys(self) -> tuple[bytes, ...]:
        """The key that signs the audit trail, and former keys. Raises ConfigError for a short key."""
        path = self.store.audit_key_file or find_credential("hemostat-audit-key")
        return read_key_file(Path(path).expanduser(), "store.audit_key_file") if path else ()

    @property
    def slack_url(self) -> str | None:
        return self.alert.slack_webhook or _read_secret(
            "alert.slack_webhook_file", self.alert.slack_webhook_file
        )

    @property
    def heartbeat_url(self) -> str | None:
        return self.alert.heartbeat_url or _read_secret(
            "alert.heartbeat_url_file", self.alert.heartbeat_url_file
        )

    @property
    def channels(self) -> dict[str, alerting.Channel]:
        """The channels of notifications, by name, with their URLs."""
        channels = dict(self.alert.channels)
        own = channels.get(alerting.SLACK_CHANNEL, alerting.Channel())
        if (slack := self.slack_url) and not own.url + own.url_file:
            channels[alerting.SLACK_CHANNEL] = msgspec.structs.replace(own, url=slack)
        return {name: _with_url(name, channel) for name, channel in channels.items()}


ENGINES_KEY: Final = "engines"
CHANNELS_KEY: Final = "alert.channels"
SECRET_KEYS: Final = frozenset(
    {"alert.slack_webhook", "alert.heartbeat_url", CHANNELS_KEY, "analyzer.api_key", "redis.password"}
)
"""Keys whose values are never shown; for channels, only the URLs are hidden."""
URL_KEYS: Final = frozenset({"redis.url", "engine.url", "store.url", "analyzer.base_url"})
"""Keys whose values are shown without possible secrets."""


LIST_HINT: Final = "for all settings, see: hemostat config show"


def _walk_fields(shape: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for field in msgspec.structs.fields(shape):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _walk_fields(field.type, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, field


FIELDS: Final[dict[str, FieldInfo]] = dict(_walk_fields(Settings))
"""Every key, dotted, with its type and default."""


class Value(msgspec.Struct, frozen=True):
    """A value and its origin: `default`, `flag`, `environment HEMOSTAT_…`, `file …`."""

    raw: object
    origin: str


class Loaded(msgspec.Struct, frozen=True):
    settings: Settings
    origins: dict[str, str]
    path: Path | None
    unknown: tuple[UnknownVariable, ...] = ()
    """Variables with the prefix of HemoStat that are not settings, with the nearest setting."""

    def select_engine(self, name: str) -> "Loaded":
        """Return the settings of the engine of this name, with their origins. Raises UsageError."""
        keys = ["host", *(key for key in FIELDS if key.startswith("engine."))]
        origins = self.origins | dict.fromkeys(keys, self.origins[ENGINES_KEY])
        return msgspec.structs.replace(self, settings=self.settings.select_engine(name), origins=origins)


def load(
    path: Path | None = None,
    *,
    flags: Mapping[str, object] = {},
    environ: Mapping[str, str] | None = None,
    search: Sequence[Path] | None = None,
) -> Loaded:
    """Read the settings. `path` must exist if given; otherwise the first existing file of `search` is read.

    `flags` are dotted keys from the command line, their values text as in the environment. `engines.NAME` is
    the URL of one engine. Raises ConfigError, which names file, key and nearest key.
    """
    environ = os.environ if environ is None else environ
    path = _find(path, environ, search)
    layers: ChainMap[str, Value] = ChainMap(
        dict(_from_flags({key: raw for key, raw in flags.items() if not _is_engine_key(key)})),
        dict(_from_environ(environ)),
        dict(_from_file(path)) if path else {},
        {key: Value(attrgetter(key)(Settings()), "default") for key in FIELDS},
    )
    if urls := {key.partition(".")[2]: raw for key, raw in flags.items() if _is_engine_key(key)}:
        table = msgspec.to_builtins(_convert(ENGINES_KEY, layers[ENGINES_KEY]))
        layers[ENGINES_KEY] = Value({**table, **urls}, "flag")
    settings = msgspec.convert(_nest({key: _convert(key, layers[key]) for key in FIELDS}), Settings)
    for key, why in find_project_mistakes(settings.monitor.projects):
        raise ConfigError(f"{layers['monitor.projects'].origin}: monitor.projects.{key} {why}")
    for table, key, why in alerting.find_alert_mistakes(settings.alert):
        raise ConfigError(f"{layers[table].origin}: {table}.{key} {why}")
    for why in find_window_mistakes(settings.responder.windows):
        raise ConfigError(f"{layers['responder.windows'].origin}: responder.windows{why}")
    for number, window in enumerate(settings.responder.windows):
        try:
            find_time_zone(window.time_zone)
        except ValueError as error:
            origin = layers["responder.windows"].origin
            raise ConfigError(f"{origin}: responder.windows[{number}].time_zone: {error}") from None
    try:
        _ = settings.metrics.host_and_port
    except ValueError as error:
        raise ConfigError(f"{layers['metrics.address'].origin}: metrics.address: {error}") from None
    why, hint = redis_address.find_mistake(settings.redis.url)
    if why:
        from hemostat.core.redact.address import mask_url

        where = layers["redis.url"].origin
        raise ConfigError(f"{where}: redis.url {mask_url(settings.redis.url)}: {why}", hint=hint)
    _check_ssh_address(settings.engine.url, layers["engine.url"].origin)
    if settings.engines:
        _check_engines(settings, layers)
    origins = {key: layers[key].origin for key in FIELDS}
    return Loaded(settings, origins, path, tuple(_find_unknown(environ)))


def _find_remote_host(url: str) -> str:
    if not url:
        return ""
    from hemostat.core.settings.ssh_address import find_remote_host  # slow to import, and seldom needed

    return find_remote_host(url)


def _check_ssh_address(url: str, origin: str) -> None:
    if not url:
        return
    from hemostat.core.settings.ssh_address import is_ssh, parse_ssh_address

    try:
        if is_ssh(url):
            parse_ssh_address(url)
    except ValueError as error:
        raise ConfigError(f"{origin}: engine.url: {error}") from None


def _check_engines(settings: Settings, layers: Mapping[str, Value]) -> None:
    from hemostat.core.settings.engine_mistakes import find_engine_mistake

    origin = layers[ENGINES_KEY].origin
    for key in ("host", *(key for key in FIELDS if key.startswith("engine."))):
        if attrgetter(key)(settings):
            raise ConfigError(
                f"{layers[key].origin}: {key} cannot be combined with {ENGINES_KEY} ({origin})",
                hint=f"remove it: the table [{ENGINES_KEY}] has the address and the host of each engine",
            )
    name, why = find_engine_mistake(settings.engines, os.path.realpath)
    if why:
        place = f"{ENGINES_KEY}.{quote_text(name)}" if name else ENGINES_KEY
        raise ConfigError(f"{origin}: {place}: {why}")


def search_path() -> list[Path]:
    """Return the paths that are searched for a configuration file, in order."""
    import platformdirs

    return [
        Path(platformdirs.user_config_dir("hemostat", appauthor=False)) / FILE_NAME,
        Path("/etc/hemostat") / FILE_NAME,
    ]


def mask_settings(settings: Settings) -> dict[str, object]:
    """Return the settings by dotted key, as TOML values, with secrets masked."""
    return {key: _mask(key, value) for key, value in _flatten(msgspec.to_builtins(settings))}


def find_setting(key: str) -> str:
    """Return the setting that a flag with this key changes: `engines` for `engines.NAME`."""
    return ENGINES_KEY if _is_engine_key(key) else key


def get_variable_name(key: str) -> str:
    """Return the environment variable of a dotted key."""
    return PREFIX + key.replace(".", "_").upper()


VARIABLES: Final = {key: get_variable_name(key) for key in FIELDS}


def _find(path: Path | None, environ: Mapping[str, str], search: Sequence[Path] | None) -> Path | None:
    """Return the path of the configuration file, None without one. A directory of that name, which Docker
    creates for a missing source of a bind mount, is returned, and refused when it is read."""
    if path is None and environ.get("HEMOSTAT_CONFIG"):
        path = Path(environ["HEMOSTAT_CONFIG"])
    if path is None:
        return next(filter(_exists, search_path() if search is None else search), None)
    if not _exists(path):
        raise ConfigError(f"no configuration file {path}", hint="create it with: hemostat config init")
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _from_flags(flags: Mapping[str, object]) -> Iterator[tuple[str, Value]]:
    for key, raw in flags.items():
        if key not in FIELDS:
            raise ConfigError(f"flag: {key} is not a setting", hint=suggest_nearest(key, FIELDS) or LIST_HINT)
        yield key, Value(raw, "flag")


def _is_engine_key(key: str) -> bool:
    """Whether the key of a flag is `engines.NAME`, whose value is the URL of one engine."""
    return key.startswith(f"{ENGINES_KEY}.")


def _from_environ(environ: Mapping[str, str]) -> Iterator[tuple[str, Value]]:
    for key, name in VARIABLES.items():
        text = environ.get(name, "").strip()
        if not text:
            continue
        if not text.isascii() and text != text.encode(errors="replace").decode():
            raise ConfigError(f"environment variable {name} is not UTF-8")
        yield key, Value(text, f"environment {name}")


def _find_unknown(environ: Mapping[str, str]) -> Iterator[UnknownVariable]:
    known_names = {*VARIABLES.values(), *OWN_VARIABLES}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known_names:
            yield UnknownVariable.classify(name, VARIABLES.values())


def _from_file(path: Path) -> Iterator[tuple[str, Value]]:
    text = read_text_file(path)
    try:
        entries = [*_flatten(tomllib.loads(text))]
    except (
        ValueError,
        RecursionError,
    ) as error:  # a TOMLDecodeError, a number that is too long, a deep table
        raise ConfigError(f"{path} is not TOML: {error}", hint="see hemostat.toml.example") from None
    for key, raw in entries:
        if key not in FIELDS:
            raise ConfigError(f"{path}: unknown key {key}", hint=suggest_nearest(key, FIELDS) or LIST_HINT)
        yield key, Value(raw, f"file {path}")


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and prefix + name not in FIELDS:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _nest(values: Mapping[str, object]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *tables, name = key.split(".")
        table = tree
        for each in tables:
            table = table.setdefault(each, {})
        table[name] = value
    return tree


def _convert(key: str, value: Value) -> object:
    field = FIELDS[key]
    try:
        raw = parse_value(field.type, value.raw)
        raw = expand_urls(raw) if key == ENGINES_KEY else raw
        strict = not value.origin.startswith(("environment", "flag"))
        return _check_bounds(msgspec.convert(raw, field.type, strict=strict))
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        where = "" if value.origin == "default" else f"{value.origin}: "
        raise ConfigError(f"{where}{key}: {error}") from None


def _check_bounds(value: object) -> object:
    """Raise ValueError for a number that is not finite, or larger than any duration or size."""
    longest = MAX_SECONDS if isinstance(value, float) else MAX_BYTES
    if isinstance(value, int | float) and not abs(value) <= longest:
        raise ValueError(f"{str(value)[:20]} is not a number up to {longest:.0f}")
    return value


def _read_secret(key: str, path: str) -> str | None:
    return read_secret_file(Path(path).expanduser(), key) if path else None


def _with_url(name: str, channel: alerting.Channel) -> alerting.Channel:
    url = channel.url or _read_secret(f"{CHANNELS_KEY}.{name}.url_file", channel.url_file)
    if not url:
        raise ConfigError(f"{CHANNELS_KEY}.{name} has no URL", hint="set its url or url_file")
    return msgspec.structs.replace(channel, url=url)


def _mask(key: str, value: Any) -> object:
    from hemostat.core.redact import redact  # slow to import, and not needed to load settings
    from hemostat.core.redact.address import mask_url
    from hemostat.core.redact.mask_format import mask

    hidden = mask("secret")
    if key == CHANNELS_KEY:
        return {
            name: {**each, "url": each["url"] and hidden, "url_file": show_path(each["url_file"])}
            for name, each in value.items()
        }
    if key == ENGINES_KEY:
        return {
            name: {part: _mask(f"engine.{part}", text) for part, text in each.items() if text}
            for name, each in value.items()
        }
    if key in SECRET_KEYS and value:
        return hidden
    if key in URL_KEYS or key.endswith("_file"):
        return mask_url(value) if key in URL_KEYS else show_path(value)
    return redact(value) if isinstance(value, str) else value
