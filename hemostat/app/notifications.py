"""Builds the senders of the configured channels, and the self-monitor of HemoStat."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hemostat.adapters.system_clock import seconds_of_day
from hemostat.app.role_context import RoleContext
from hemostat.config import Settings
from hemostat.core.notify import service
from hemostat.core.notify.notification import Notification
from hemostat.errors import BusError, ConfigError
from hemostat.ports import Notifier, Outbox
from hemostat.streams import ROLES_BY_NAME

if TYPE_CHECKING:
    from hemostat.agents.notifier.channel_sender import ChannelSender

STOP_SECONDS: Final = 4.0
"""Seconds that channel senders have, when told to stop, to receive the result of a delivery."""


def open_notifiers(settings: Settings) -> dict[str, Notifier]:
    """Return the notifiers by channel. Raises ConfigError for a URL that cannot be used."""
    return {name: make_notifier(name, channel.url) for name, channel in settings.channels.items()}


@contextmanager
def run_notifiers(context: RoleContext, outbox: Outbox) -> Iterator[Callable[[], str]]:
    """Send notifications while the block lasts. Yields a function that returns why they cannot be delivered
    at present."""
    couriers = _make_senders(context, outbox)
    threads = [_start_thread(sender.run, sender.name) for sender in couriers]
    _start_self_monitor(context, couriers)
    yield lambda: "; ".join(sender.trouble for sender in couriers if sender.trouble)
    for thread in threads:
        thread.join(STOP_SECONDS / len(threads))


def find_webhook_doubts(settings: Settings) -> dict[str, service.AddressObjection]:
    """Return, by channel, why messages may not arrive, as far as the address tells. Raises ConfigError."""
    doubts = {name: service.find_doubt(channel.url) for name, channel in settings.channels.items()}
    return {name: why for name, why in doubts.items() if why is not None}


def make_notifier(name: str, url: str) -> Notifier:
    """Return the notifier of a web address, in the format of its service, and Apprise's of other URLs. Raises
    ConfigError."""
    if wrong := service.find_mistake(url):
        raise ConfigError(f"channel {name}: {wrong.message}", hint=wrong.hint)
    if service.get_scheme(url) in service.WEB_SCHEMES:
        from hemostat.adapters.notify.webhook import Webhook

        return Webhook(url)
    from hemostat.adapters.notify.apprise import Apprise

    return Apprise(name, url)


def _make_senders(context: RoleContext, outbox: Outbox) -> "list[ChannelSender]":
    from hemostat.agents.notifier.channel_sender import ChannelSender

    settings = context.settings
    notifiers = open_notifiers(settings)
    return [
        ChannelSender(
            name,
            channel,
            notifiers[name],
            outbox,
            context.clock,
            settings.alert,
            chance=random.random,
            of_day=seconds_of_day,
            count=context.heartbeat.count,
        )
        for name, channel in settings.channels.items()
    ]


def _start_self_monitor(context: RoleContext, couriers: "Sequence[ChannelSender]") -> None:
    """Start the self-monitor, where there is a channel or a ping URL to report to."""
    from hemostat.agents.notifier.self_monitor import SelfMonitor

    settings, url = context.settings, context.settings.heartbeat_url
    if not couriers and not url:
        return

    def tell(notification: Notification) -> None:
        for sender in couriers:
            sender.queue_own(notification)

    self_monitor = SelfMonitor(
        context.parts.bus,
        context.clock,
        tell,
        roles=ROLES_BY_NAME,
        host=settings.host_name,
        after=settings.alert.gone_after,
        refusal=lambda: context.retry.trouble if isinstance(context.retry.error, BusError) else "",
    )
    _start_thread(self_monitor.run, "watchman")
    if url:
        from hemostat.adapters.notify.healthchecks_ping import HealthchecksPing

        heart = HealthchecksPing(url, signals=settings.alert.heartbeat_signals)
        _start_thread(lambda: self_monitor.run_pings(heart, settings.alert.heartbeat_every), "heartbeat")


def _start_thread(run: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
