"""`hemostat alert --test`: sends a test message to every channel."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from hemostat.cli.options import Globals
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.errors import FAILURE, OK, ConfigError, NotifyError

if TYPE_CHECKING:
    from hemostat.core.notify.message import Message
    from hemostat.ports import Notifier


class ChannelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`service` is the service that the channel's address belongs to. `error` is empty for a channel that has
    accepted the message."""

    channel: str
    service: str
    ok: bool
    error: str


def send_tests(options: Globals, url: str) -> int:
    """Send to the channel `url`, to that in the first line of standard input for `-`, and to all configured
    ones for an empty text. All at once: one that is dead keeps no other waiting. Exit code 1 if one of them
    fails."""
    from hemostat import app
    from hemostat.core.notify.service import describe_service

    settings = options.load_settings()
    options.start_logging()
    url = sys.stdin.readline().strip() if url == "-" else url
    urls = {"test": url} if url else {name: each.url for name, each in settings.channels.items()}
    notifiers = {name: app.make_notifier(name, each) for name, each in urls.items()}
    if not notifiers:
        raise ConfigError(
            "no channel is configured", hint="set alert.slack_webhook, or [alert.channels.NAME]"
        )
    message = _make_message(settings.host_name)
    with ThreadPoolExecutor(len(notifiers)) as pool:
        answers = dict(
            zip(notifiers, pool.map(lambda each: _send(each, message), notifiers.values()), strict=True)
        )
    if options.json:
        write_json(
            [
                ChannelAnswer(channel=name, service=describe_service(urls[name]), ok=not error, error=error)
                for name, error in answers.items()
            ]
        )
    else:
        rows = [
            Row((name, describe_service(urls[name]), error or "sent"), fault=bool(error))
            for name, error in answers.items()
        ]
        show_table(Table("Channels", ("channel", "service", "result"), rows))
    return FAILURE if any(answers.values()) else OK


def _make_message(host: str) -> "Message":
    from hemostat.core.notify.message import single
    from hemostat.core.notify.notification import Notification
    from hemostat.core.settings.alert import Topic

    notification = Notification(
        incident="test",
        topic=Topic.TEST,
        time=time.time(),
        host=host,
        container="",
        what="test message: HemoStat sends its notifications to this channel",
    )
    return single(notification, {})


def _send(notifier: "Notifier", message: "Message") -> str:
    """The error, empty on success."""
    try:
        notifier.send(message)
    except NotifyError as error:
        return str(error)
    return ""
