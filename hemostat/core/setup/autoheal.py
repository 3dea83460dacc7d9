"""Translates the settings of docker-autoheal and deunhealth to HemoStat's.

Sources: README, Dockerfile and docker-entrypoint of willfarrell/docker-autoheal; README, `internal/config`
and `internal/docker` of qdm12/deunhealth. An empty variable has its default, as in `${NAME:-default}`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from hemostat.core.bounds import UNREADABLE_CHARACTERS
from hemostat.core.labels.definitions import AUTOHEAL_STOP_TIMEOUT, STOP_TIMEOUT
from hemostat.core.labels.values import Mode
from hemostat.core.model import ContainerInfo
from hemostat.core.notify.service import Service, find_doubt, find_mistake, recognize_service
from hemostat.core.redact import redact
from hemostat.core.redact.address import mask_channel_url
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.setup.healers import DEUNHEALTH_SELECTOR, Healer, find_healer
from hemostat.core.setup.proposal import (
    MAX_SELECTOR_CHARACTERS,
    MODE_REASONS,
    ProposedSetting,
    explain_selector,
    propose_channel,
)
from hemostat.core.text import quote_text
from hemostat.events import Kind

LABEL_VARIABLE: Final = "AUTOHEAL_CONTAINER_LABEL"
WATCH_ALL: Final = "all"
AUTOHEAL_PREFIX: Final = "AUTOHEAL_"
DEFAULT_STOP_SECONDS: Final = 10
MAX_STOP_SECONDS: Final = 600.0
"""The highest value of `responder.stop_timeout_max`."""
MAX_SHOWN_CHARACTERS: Final = 60
MAX_UNKNOWN_VARIABLES: Final = 20
WEBHOOK_CHANNEL: Final = "webhook"
APPRISE_CHANNEL: Final = "apprise"
APPRISE_SCHEMES: Final = {"http": "apprise", "https": "apprises"}
RELAPSE_REASON: Final = (
    "A container that has recovered and fails again is restarted again, within responder.budget. By default, "
    "people are notified of a failure that returns within 30 min, and HemoStat does not repeat the restart."
)
SLACK_FIELD: Final = "text"
NOT_NEEDED: Final = "not needed"
NO_EQUIVALENT: Final = "no equivalent"


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of the other program, and what it becomes. Secrets are masked. `equivalent` is false where
    HemoStat cannot do the same."""

    old: str
    new: str
    equivalent: bool = True


class Migration(NamedTuple):
    settings: tuple[ProposedSetting, ...]
    table: tuple[Translation, ...]


class Line(NamedTuple):
    """One row of the table, with the settings of the file that it leads to."""

    row: Translation
    settings: tuple[ProposedSetting, ...] = ()


def recognize_healer(image: str, environment: Mapping[str, str]) -> Healer | None:
    """Return which of the two programs runs in a container, by its image or by autoheal's own variables: the
    image may have been built by its user. None for another program."""
    healer = find_healer(image)
    if healer in {Healer.AUTOHEAL, Healer.DEUNHEALTH}:
        return healer
    return Healer.AUTOHEAL if LABEL_VARIABLE in environment else None


def read_selector(healer: Healer, environment: Mapping[str, str]) -> str:
    """Return the label of the containers that the program acts on, empty for all. Raises ValueError."""
    if healer is Healer.DEUNHEALTH:
        return DEUNHEALTH_SELECTOR
    label = environment.get(LABEL_VARIABLE) or "autoheal"
    if label == WATCH_ALL:
        return ""
    selector = f"{label}=true"
    if (
        len(selector) > MAX_SELECTOR_CHARACTERS
        or UNREADABLE_CHARACTERS.search(selector)
        or not label.isprintable()
    ):
        raise ValueError(f"{LABEL_VARIABLE}={quote_text(label)} is not the name of a label")
    return selector


def translate(
    healer: Healer, environment: Mapping[str, str], containers: Sequence[ContainerInfo], mode: Mode
) -> Migration:
    """`containers`: those that the program acts on. Raises ValueError for a label that cannot be used."""
    selector = read_selector(healer, environment)
    variables = _AUTOHEAL_VARIABLES if healer is Healer.AUTOHEAL else _DEUNHEALTH_VARIABLES
    lines = [
        _translate_selector(healer, selector, len(containers)),
        *_translate_behaviour(healer, mode),
        *(variables[name](name, environment[name]) for name in variables if environment.get(name)),
        *_translate_webhook_key(environment),
        *(_translate_stop_labels(containers) if healer is Healer.AUTOHEAL else ()),
        *(_iter_unknown(environment) if healer is Healer.AUTOHEAL else ()),
    ]
    settings = {each.key: each for line in lines for each in line.settings}
    return Migration(tuple(settings.values()), tuple(line.row for line in lines))


# --- containers and behaviour -------------------------------------------------------------------------


def _translate_selector(healer: Healer, selector: str, count: int) -> Line:
    if healer is Healer.DEUNHEALTH:
        old = f"label {DEUNHEALTH_SELECTOR}"
    else:
        old = f"{LABEL_VARIABLE}={WATCH_ALL if not selector else _shorten(selector.removesuffix('=true'))}"
    new = f'monitor.only = "{_shorten(selector)}" (running containers: {count})'
    return Line(
        Translation(old=old, new=new),
        (ProposedSetting("monitor.only", selector, explain_selector(selector)),),
    )


def _translate_behaviour(healer: Healer, mode: Mode) -> list[Line]:
    kinds = ProposedSetting(
        "responder.kinds",
        [str(Kind.UNHEALTHY)],
        f"HemoStat acts only on failing health checks, as {healer} does, and reports other failures. Remove "
        "the line to let HemoStat act on those, too.",
    )
    return [
        Line(
            Translation(old="restarts unhealthy containers", new='responder.kinds = ["unhealthy"]'),
            (ProposedSetting("responder.mode", mode, MODE_REASONS[mode]), kinds),
        ),
        Line(
            Translation(old="restarts again after a relapse", new="monitor.relapse_window = 0s"),
            (ProposedSetting("monitor.relapse_window", "0s", RELAPSE_REASON),),
        ),
        Line(
            Translation(
                old="restarts without a limit",
                new="three actions an hour, with back-off: responder.budget. A restart that did not help is "
                "not repeated, and a person is notified",
                equivalent=False,
            )
        ),
    ]


def _translate_stop_labels(containers: Sequence[ContainerInfo]) -> Iterator[Line]:
    """The label `autoheal.stop.timeout`, which HemoStat reads as it is, up to the operator's limit."""
    requested = [AUTOHEAL_STOP_TIMEOUT.read_from(info.ref.labels) for info in containers]
    seconds = [each for each in requested if each is not None]
    if not seconds:
        return
    old = f"label {AUTOHEAL_STOP_TIMEOUT.name} (containers: {len(seconds)})"
    longest, limit = min(max(seconds), MAX_STOP_SECONDS), ResponderSettings().stop_timeout_max
    if longest <= limit:
        yield Line(Translation(old=old, new="the same label"))
        return
    why = f"Labels {AUTOHEAL_STOP_TIMEOUT.name} give containers up to {max(seconds):g} s to stop."
    yield Line(
        Translation(
            old=old,
            new=f"the same label, and responder.stop_timeout_max = {longest:g}s",
            equivalent=max(seconds) <= MAX_STOP_SECONDS,
        ),
        (ProposedSetting("responder.stop_timeout_max", f"{longest:g}s", why),),
    )


def _iter_unknown(environment: Mapping[str, str]) -> Iterator[Line]:
    unknown = sorted(
        name
        for name in environment
        if name.startswith(AUTOHEAL_PREFIX) and name not in _AUTOHEAL_VARIABLES and name != LABEL_VARIABLE
    )
    for name in unknown[:MAX_UNKNOWN_VARIABLES]:
        text = f"{NO_EQUIVALENT}: not a variable of willfarrell/autoheal"
        yield Line(Translation(old=_shorten(name), new=text, equivalent=False))


# --- variables ----------------------------------------------------------------------------------------


def _translate_to_text(text: str, *, equivalent: bool = True) -> Callable[[str, str], Line]:
    def translate_variable(name: str, value: str) -> Line:
        return Line(Translation(old=f"{name}={_shorten(value)}", new=text, equivalent=equivalent))

    return translate_variable


def _translate_start_period(name: str, value: str) -> Line:
    if value.strip("0") == "":
        return _translate_to_text(f"{NOT_NEEDED}: HemoStat acts from its start, too")(name, value)
    text = f"{NO_EQUIVALENT}: HemoStat acts from its start; use start_period of the containers' health checks"
    return _translate_to_text(text, equivalent=False)(name, value)


def _translate_stop_timeout(name: str, value: str) -> Line:
    if value == str(DEFAULT_STOP_SECONDS):
        text = "the engine's default is 10 s, too; a container's own stop timeout counts"
        return _translate_to_text(text)(name, value)
    text = f"{NO_EQUIVALENT} for all containers: label them {STOP_TIMEOUT.name}={_shorten(value)}s"
    return _translate_to_text(text, equivalent=False)(name, value)


def _translate_paused(name: str, value: str) -> Line:
    if value == "true":
        return _translate_to_text("always so: HemoStat never touches a paused container")(name, value)
    text = "HemoStat never touches a paused container"
    return _translate_to_text(text, equivalent=False)(name, value)


def _translate_webhook(name: str, value: str) -> Line:
    old = f"{name}={mask_channel_url(value)}"
    url = value.strip()
    if _split_url(url) is None:
        return Line(Translation(old=old, new=f"{NO_EQUIVALENT}: its URL is malformed", equivalent=False))
    if wrong := find_mistake(url):
        return Line(Translation(old=old, new=f"{NO_EQUIVALENT}: {wrong.message}", equivalent=False))
    doubt = find_doubt(url)
    service = recognize_service(url)
    why = f"Notifications go to the webhook of docker-autoheal ({service}). The address is a secret."
    new = f"alert.channels.{WEBHOOK_CHANNEL}, in the format of {service}"
    if service is Service.WEBHOOK:
        new = f"alert.channels.{WEBHOOK_CHANNEL}, in Slack's format: its URL belongs to an unknown service"
    return Line(
        Translation(
            old=old,
            new=f"{new}: {doubt.message}" if doubt else new,
            equivalent=doubt is None and service is not Service.WEBHOOK,
        ),
        (propose_channel(WEBHOOK_CHANNEL, url, why),),
    )


def _translate_webhook_key(environment: Mapping[str, str]) -> Iterator[Line]:
    """The field of the message. It matters only for a receiver that does not accept Slack's format."""
    name, url = "WEBHOOK_JSON_KEY", environment.get("WEBHOOK_URL", "")
    key = environment.get(name)
    if key and url:
        is_same = key == SLACK_FIELD or recognize_service(url.strip()) is not Service.WEBHOOK
        text = f"the service's own format; in Slack's, the message is in the field {SLACK_FIELD}"
        yield _translate_to_text(text, equivalent=is_same)(name, key)


def _translate_apprise(name: str, value: str) -> Line:
    old = f"{name}={mask_channel_url(value)}"
    url = _convert_apprise(value.strip())
    if not url:
        text = f"{NO_EQUIVALENT}: HemoStat needs the address of a stored configuration, …/notify/KEY"
        return Line(Translation(old=old, new=text, equivalent=False))
    why = "Notifications go to the Apprise server of docker-autoheal. The address is a secret."
    new = f"alert.channels.{APPRISE_CHANNEL}, which needs pip install 'hemostat[apprise]'"
    return Line(Translation(old=old, new=new), (propose_channel(APPRISE_CHANNEL, url, why),))


def _convert_apprise(url: str) -> str:
    """Return Apprise's own URL of `http://host/notify/KEY`; empty for another address."""
    parts = _split_url(url)
    if parts is None or parts.scheme not in APPRISE_SCHEMES or not parts.netloc:
        return ""
    prefix, marker, key = parts.path.rstrip("/").rpartition("/notify/")
    if not marker or not key or "/" in key:
        return ""
    return f"{APPRISE_SCHEMES[parts.scheme]}://{parts.netloc}{prefix}/{key}"


def _split_url(url: str) -> SplitResult | None:
    try:
        return urlsplit(url) if url.isprintable() else None
    except ValueError:
        return None


def _shorten(value: str) -> str:
    """The value without secrets. It is cut afterwards, so that a cut does not expose part of a secret."""
    text = redact(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


_ENGINE_TEXT: Final = (
    f"{NOT_NEEDED}: HemoStat uses the engine that this command has read; else set engine.url"
)
_AUTOHEAL_VARIABLES: Final[Mapping[str, Callable[[str, str], Line]]] = {
    "AUTOHEAL_INTERVAL": _translate_to_text(f"{NOT_NEEDED}: the engine's events arrive at once"),
    "AUTOHEAL_START_PERIOD": _translate_start_period,
    "AUTOHEAL_DEFAULT_STOP_TIMEOUT": _translate_stop_timeout,
    "AUTOHEAL_ONLY_MONITOR_RUNNING": _translate_paused,
    "DOCKER_SOCK": _translate_to_text(_ENGINE_TEXT),
    "CURL_TIMEOUT": _translate_to_text(f"{NOT_NEEDED}: HemoStat has time limits of its own"),
    "WEBHOOK_URL": _translate_webhook,
    "APPRISE_URL": _translate_apprise,
    "POST_RESTART_SCRIPT": _translate_to_text(
        f"{NO_EQUIVALENT}: HemoStat runs no script; hemostat events -f --json prints each outcome",
        equivalent=False,
    ),
}
_DEUNHEALTH_VARIABLES: Final[Mapping[str, Callable[[str, str], Line]]] = {
    "DOCKER_HOST": _translate_to_text(_ENGINE_TEXT),
    "LOG_LEVEL": _translate_to_text("the options -q and -v"),
    "HEALTH_SERVER_ADDRESS": _translate_to_text(
        f"{NO_EQUIVALENT}: hemostat status, hemostat metrics, and systemd's watchdog show whether it works",
        equivalent=False,
    ),
    "TZ": _translate_to_text("the time zone of this machine"),
}
