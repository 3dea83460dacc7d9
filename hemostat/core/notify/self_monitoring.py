"""Self-monitoring of HemoStat: which parts are gone, since when, and which notifications were sent."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from hemostat.core.bounds import MAX_NAME_CHARACTERS, shorten_identifier
from hemostat.core.history.audit_verdict import TROUBLE_PREFIX as AUDIT
from hemostat.core.ledger.controls import UNREADABLE_PAUSE_AUTHOR
from hemostat.core.notify.notification import Notification, build_self_notification
from hemostat.core.settings.alert import Topic
from hemostat.core.text import MAX_LISTED_NAMES, truncate
from hemostat.core.units import show_duration
from hemostat.events import Event, Heartbeat

BUS_NAME: Final = "Redis"
MONITOR_ROLE: Final = "monitor"
"""The role whose trouble is the engine's. Other roles report as trouble that they wait for a person or a
model."""
RESPONDER_ROLE: Final = "responder"
LOST_DATA_PREFIX: Final = "Redis has lost data of HemoStat"
"""Prefix of the trouble of a responder that has noticed a loss of data."""
STORING_ROLE: Final = "alert"
UNREADABLE_TEXT: Final = "cannot be read"
"""Part of a responder's trouble about unreadable rows in Redis."""
DATA_TROUBLE_PATTERN: Final = re.compile(
    rf"{LOST_DATA_PREFIX}|\d+ rows? in Redis {UNREADABLE_TEXT}"
    rf"|(\S+ )?paused by {UNREADABLE_PAUSE_AUTHOR}",
)
"""Beginning of a responder's trouble about its data. An error of the engine begins with the operation. It may
quote a label further on."""
MAX_UNSEEN_SECONDS: Final = 86400.0
"""Seconds after which a silent role of one host is no longer expected, if the role runs elsewhere."""
MAX_HOSTS: Final = 250
"""Hosts of one role that are watched. Each user who may send a role's heartbeats can name any number."""
MAX_TROUBLE_CHARACTERS: Final = 2000
MAX_NOTIFICATIONS: Final = 10
"""Notifications about parts of single hosts in NOTIFICATION_SECONDS. The last one is about all others."""
NOTIFICATION_SECONDS: Final = 600.0
DIGEST_NAME: Final = "roles of several hosts"
DIGEST_CAUSE: Final = "their heartbeats do not arrive, or name a problem: hemostat doctor shows more"


def format_unreadable_rows(rows: int) -> str:
    """The trouble for this many unreadable rows; empty for 0."""
    rows_text = "1 row in Redis" if rows == 1 else f"{rows} rows in Redis"
    return f"{rows_text} {UNREADABLE_TEXT}: see hemostat repair" if rows else ""


class SelfMonitoringState(msgspec.Struct, frozen=True, kw_only=True):
    """`seen`: when each role and host last sent a heartbeat. `ill`: what is gone, since when and why. `told`:
    what a notification was sent for. `notified_at`: the times of notifications about parts of single hosts.
    Times are epoch seconds."""

    seen: dict[tuple[str, str], float] = {}
    ill: dict[str, tuple[float, str]] = {}
    told: frozenset[str] = frozenset()
    notified_at: tuple[float, ...] = ()

    @property
    def is_well(self) -> bool:
        return not self.ill

    @property
    def announced_trouble(self) -> str:
        """The troubles that a notification was sent for; empty without any."""
        return "; ".join(why for name, (_, why) in sorted(self.ill.items()) if name in self.told)


def observe_heartbeats(
    state: SelfMonitoringState, beats: Iterable[Event], roles: Iterable[str], now: float
) -> tuple[SelfMonitoringState, dict[str, str]]:
    """The state updated with the roles that run now, and what is gone, with the reason. Each role must run on
    some host, and on every host where it has run."""
    recent = {role_key: time for role_key, time in state.seen.items() if now - time < MAX_UNSEEN_SECONDS}
    facts = _select_heartbeats(all_beats := list(beats), recent)
    seen_times = recent | dict.fromkeys(facts, now)
    living = {event.data.role for event in all_beats if isinstance(event.data, Heartbeat)}
    troubles = {role: f"no {role} is running" for role in roles if role not in living}
    troubles |= {
        f"{role} on {host}": f"{role} on {host} sends no heartbeat"
        for role, host in seen_times
        if (role, host) not in facts and role in living
    }
    troubles |= {
        BUS_NAME if beat.trouble.startswith(BUS_NAME) else f"engine of {host}": beat.trouble
        for (role, host), beat in facts.items()
        if role == MONITOR_ROLE and beat.trouble
    }
    troubles |= {
        f"data in Redis of {host}": beat.trouble
        for (role, host), beat in facts.items()
        if role == RESPONDER_ROLE and DATA_TROUBLE_PATTERN.match(beat.trouble)
    }
    troubles |= {
        f"{AUDIT} of {host}": segment
        for (role, host), beat in facts.items()
        if role == STORING_ROLE and (segment := _find_segment(beat.trouble, AUDIT))
    }
    return msgspec.structs.replace(state, seen=seen_times), troubles


def _select_heartbeats(
    beats: Iterable[Event], last_times: Mapping[tuple[str, str], float]
) -> dict[tuple[str, str], Heartbeat]:
    """The heartbeats by role and host, on MAX_HOSTS hosts of each role, and first those in `last_times`. A
    Redis user may send the heartbeats of one role, and of names that begin with it and an @, which are no
    roles."""
    found = {}
    for event in beats:
        if isinstance(event.data, Heartbeat) and "@" not in event.data.role:
            place = event.data.role, shorten_identifier(event.host, MAX_NAME_CHARACTERS)
            found[place] = event.data
    hosts = Counter(role for role, _ in last_times)
    selected = {place: beat for place, beat in found.items() if place in last_times}
    for place, beat in found.items():
        if place not in last_times and hosts[place[0]] < MAX_HOSTS:
            hosts[place[0]] += 1
            selected[place] = beat
    return {
        place: msgspec.structs.replace(beat, trouble=truncate(beat.trouble, MAX_TROUBLE_CHARACTERS))
        for place, beat in selected.items()
    }


def _find_segment(trouble: str, beginning: str) -> str:
    """The part of a role's trouble that starts with this text; empty without one."""
    return next((each for each in trouble.split("; ") if each.startswith(beginning)), "")


def update_and_notify(
    state: SelfMonitoringState, troubles: Mapping[str, str], now: float, *, after: float, host: str
) -> tuple[SelfMonitoringState, list[Notification]]:
    """The new state and its notifications: one for each part gone longer than `after` seconds, and one when
    it is back. Beyond MAX_NOTIFICATIONS, one notification is about several parts, or waits."""
    ill = {name: (min(now, state.ill.get(name, (now, ""))[0]), why) for name, why in troubles.items()}
    notified_names = {name for name in state.told if name in ill}
    due_names = [
        name for name, (since, _) in ill.items() if name not in notified_names and now - since >= after
    ]
    times = [time for time in state.notified_at if 0 <= now - time < NOTIFICATION_SECONDS]
    single, rest = _split_late(due_names, MAX_NOTIFICATIONS - len(times))
    notifications = [_make_gone_notification(name, *ill[name], now, host) for name in single]
    if rest and len(times) < MAX_NOTIFICATIONS:
        notifications.append(_make_digest(rest, now, host))
        notified_names.update(rest)
    times += [now for word in notifications if _is_of_host(word.container)]
    back = [name for name in sorted(state.told - ill.keys()) if not _is_of_host(name)]
    back += [name for name in sorted(state.told - ill.keys()) if _is_of_host(name)][
        : MAX_NOTIFICATIONS - len(times)
    ]
    notifications += [_make_back_notification(name, state.ill[name][0], now, host) for name in back]
    times += [now for name in back if _is_of_host(name)]
    new_state = msgspec.structs.replace(
        state, ill=ill, told=frozenset(notified_names.union(single)), notified_at=tuple(times)
    )
    return new_state, notifications


def _split_late(names: Sequence[str], free: int) -> tuple[list[str], list[str]]:
    """The parts that get a notification each, and those that do not. Roles and Redis always get one."""
    of_hosts = [name for name in names if _is_of_host(name)]
    alone = of_hosts if len(of_hosts) <= free else of_hosts[: max(0, free - 1)]
    single = [name for name in names if not _is_of_host(name) or name in alone]
    return single, of_hosts[len(alone) :]


def _is_of_host(name: str) -> bool:
    """Whether the part's name contains the name of a host, which a heartbeat chooses."""
    return " " in name


def _make_digest(names: Sequence[str], now: float, host: str) -> Notification:
    """One notification about several parts: those first whose heartbeats came first."""
    more = len(names) - MAX_LISTED_NAMES
    listed = ", ".join(names[:MAX_LISTED_NAMES]) + (f" and {more} more" if more > 0 else "")
    what = f"{len(names)} parts of HemoStat: {listed}"
    return build_self_notification(Topic.GONE, DIGEST_NAME, what, now, host=host, cause=DIGEST_CAUSE)


def _make_gone_notification(name: str, since: float, why: str, now: float, host: str) -> Notification:
    return build_self_notification(
        Topic.GONE, name, f"for {show_duration(now - since)}", now, host=host, cause=why
    )


def _make_back_notification(name: str, since: float, now: float, host: str) -> Notification:
    return build_self_notification(Topic.BACK, name, f"after {show_duration(now - since)}", now, host=host)
