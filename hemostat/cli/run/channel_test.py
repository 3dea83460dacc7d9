"""`hemostat alert --test`: sends a test message to every channel."""

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
    """`error` is empty for a channel that has taken the message."""

    channel: str
    ok: bool
    error: str


def send_tests(options: Globals) -> int:
    """All at once: one that is dead keeps no other waiting. Exit code 1 if one of them fails."""
    from hemostat import app

    settings = options.load_settings()
    options.start_logging()
    notifiers = app.open_notifiers(settings)
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
            [ChannelAnswer(channel=name, ok=not error, error=error) for name, error in answers.items()]
        )
    else:
        rows = [Row((name, error or "told"), fault=bool(error)) for name, error in answers.items()]
        show_table(Table("Channels", ("channel", "answer"), rows))
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
