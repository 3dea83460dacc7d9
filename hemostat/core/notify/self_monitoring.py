"""Self-monitoring of HemoStat: which parts are gone, since when, and which notifications were sent."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hemostat.core.history.audit_check import TROUBLE_PREFIX as AUDIT
from hemostat.core.notify.notification import Notification, build_self_notification
from hemostat.core.settings.alert import Topic
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
"""Part of a responder's trouble about unreadable rows in Redis, such as a pause."""
MAX_UNSEEN_SECONDS: Final = 86400.0
"""Seconds after which a silent role of one host is no longer expected, if the role runs elsewhere."""


def format_unreadable_rows(rows: int) -> str:
    """The trouble for this many unreadable rows; empty for 0."""
    what = "1 row in Redis" if rows == 1 else f"{rows} rows in Redis"
    return f"{what} {UNREADABLE_TEXT}: see hemostat repair" if rows else ""


class SelfMonitoringState(msgspec.Struct, frozen=True, kw_only=True):
    """`seen`: when each role and host last sent a heartbeat. `ill`: what is gone, since when and why. `told`:
    what a notification was sent for. Times are epoch seconds."""

    seen: dict[tuple[str, str], float] = {}
    ill: dict[str, tuple[float, str]] = {}
    told: frozenset[str] = frozenset()

    @property
    def well(self) -> bool:
        return not self.ill

    @property
    def why(self) -> str:
        """The troubles that a notification was sent for; empty without any."""
        return "; ".join(why for name, (_, why) in sorted(self.ill.items()) if name in self.told)


def observe_heartbeats(
    vigil: SelfMonitoringState, beats: Iterable[Event], roles: Iterable[str], now: float
) -> tuple[SelfMonitoringState, dict[str, str]]:
    """The state updated with the roles that run now, and what is gone, with the reason. Each role must run on
    some host, and on every host where it has run."""
    facts = {
        (event.data.role, event.host): event.data for event in beats if isinstance(event.data, Heartbeat)
    }
    recent = {place: time for place, time in vigil.seen.items() if now - time < MAX_UNSEEN_SECONDS}
    seen = recent | dict.fromkeys(facts, now)
    living = {role for role, _ in facts}
    gone = {role: f"no {role} is running" for role in roles if role not in living}
    gone |= {
        f"{role} on {host}": f"{role} on {host} sends no heartbeat"
        for role, host in seen
        if (role, host) not in facts and role in living
    }
    gone |= {
        BUS_NAME if beat.trouble.startswith(BUS_NAME) else f"engine of {host}": beat.trouble
        for (role, host), beat in facts.items()
        if role == MONITOR_ROLE and beat.trouble
    }
    gone |= {
        f"data in Redis of {host}": beat.trouble
        for (role, host), beat in facts.items()
        if role == RESPONDER_ROLE
        and (beat.trouble.startswith(LOST_DATA_PREFIX) or UNREADABLE_TEXT in beat.trouble)
    }
    gone |= {
        f"{AUDIT} of {host}": _find_segment(beat.trouble, AUDIT)
        for (role, host), beat in facts.items()
        if role == STORING_ROLE and AUDIT in beat.trouble
    }
    return msgspec.structs.replace(vigil, seen=seen), gone


def _find_segment(trouble: str, beginning: str) -> str:
    """The part of a role's trouble that starts with this text."""
    return next((each for each in trouble.split("; ") if each.startswith(beginning)), trouble)


def update_and_notify(
    vigil: SelfMonitoringState, gone: Mapping[str, str], now: float, *, after: float, host: str
) -> tuple[SelfMonitoringState, list[Notification]]:
    """The new state and its notifications: one for each part gone longer than `after` seconds, and one when
    it is back."""
    ill = {name: (min(now, vigil.ill.get(name, (now, ""))[0]), why) for name, why in gone.items()}
    told = {name for name in vigil.told if name in ill}
    late = [name for name, (since, _) in ill.items() if name not in told and now - since >= after]
    words = [_make_gone_notification(name, *ill[name], now, host) for name in late]
    words += [
        _make_back_notification(name, vigil.ill[name][0], now, host) for name in sorted(vigil.told - told)
    ]
    return msgspec.structs.replace(vigil, ill=ill, told=frozenset(told.union(late))), words


def _make_gone_notification(name: str, since: float, why: str, now: float, host: str) -> Notification:
    return build_self_notification(
        Topic.GONE, name, f"for {show_duration(now - since)}", now, host=host, cause=why
    )


def _make_back_notification(name: str, since: float, now: float, host: str) -> Notification:
    return build_self_notification(Topic.BACK, name, f"after {show_duration(now - since)}", now, host=host)
