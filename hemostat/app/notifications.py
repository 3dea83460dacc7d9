"""How people are told: what speaks for each channel of the settings, and who watches over HemoStat itself."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hemostat.adapters.system_clock import seconds_of_day
from hemostat.config import Settings
from hemostat.core.notify import webhook
from hemostat.core.notify.notification import Notification
from hemostat.errors import BusError, ConfigError
from hemostat.ports import Notifier, Outbox
from hemostat.streams import BY_NAME

if TYPE_CHECKING:
    from hemostat.agents.notifier.channel_sender import ChannelSender
    from hemostat.app.roles import RoleContext

PARTING: Final = 4.0
"""Seconds that couriers have, when told to stop, to hear whether people have heard them."""


def open_notifiers(settings: Settings) -> dict[str, Notifier]:
    """By channel. Raises ConfigError for a URL that cannot be used."""
    return {name: _notifier(name, channel.url) for name, channel in settings.channels.items()}


@contextmanager
def telling(place: "RoleContext", outbox: Outbox) -> Iterator[Callable[[], str]]:
    """Let people be told while the block lasts. What is yielded says why they cannot be, at any time."""
    couriers = _couriers(place, outbox)
    threads = [_aside(courier.run, courier.name) for courier in couriers]
    _watch(place, couriers)
    yield lambda: "; ".join(courier.trouble for courier in couriers if courier.trouble)
    for thread in threads:
        thread.join(PARTING / len(threads))


def doubts(settings: Settings) -> dict[str, webhook.WebhookObjection]:
    """By channel, why messages may not arrive, as far as the address tells. Raises ConfigError."""
    found = {name: webhook.doubt(channel.url) for name, channel in settings.channels.items()}
    return {name: why for name, why in found.items() if why is not None}


def _notifier(name: str, url: str) -> Notifier:
    """A web address is a webhook as Slack has it; Apprise knows the others."""
    if wrong := webhook.mistake(url):
        raise ConfigError(f"channel {name}: {wrong.message}", hint=wrong.hint)
    if webhook.scheme(url) in webhook.WEB:
        from hemostat.adapters.notify.slack import Slack

        return Slack(url)
    from hemostat.adapters.notify.apprise import Apprise

    return Apprise(name, url)


def _couriers(place: "RoleContext", outbox: Outbox) -> "list[ChannelSender]":
    from hemostat.agents.notifier.channel_sender import ChannelSender

    settings = place.settings
    notifiers = open_notifiers(settings)
    return [
        ChannelSender(
            name,
            channel,
            notifiers[name],
            outbox,
            place.clock,
            settings.alert,
            chance=random.random,
            of_day=seconds_of_day,
            count=place.pulse.count,
        )
        for name, channel in settings.channels.items()
    ]


def _watch(place: "RoleContext", couriers: "Sequence[ChannelSender]") -> None:
    """Over HemoStat itself, where there is somebody to be told."""
    from hemostat.agents.notifier.self_monitor import SelfMonitor

    settings, url = place.settings, place.settings.heartbeat_url
    if not couriers and not url:
        return

    def tell(word: Notification) -> None:
        for courier in couriers:
            courier.tell(word)

    watchman = SelfMonitor(
        place.parts.bus,
        place.clock,
        tell,
        roles=BY_NAME,
        host=settings.host_name,
        after=settings.alert.gone_after,
        refusal=lambda: place.patience.trouble if isinstance(place.patience.error, BusError) else "",
    )
    _aside(watchman.run, "watchman")
    if url:
        from hemostat.adapters.notify.healthchecks_ping import HealthchecksPing

        heart = HealthchecksPing(url, signals=settings.alert.heartbeat_signals)
        _aside(lambda: watchman.beat(heart, settings.alert.heartbeat_every), "heartbeat")


def _aside(run: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
