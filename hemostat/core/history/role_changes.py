"""The changes of roles and hosts, as their heartbeats show them. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from hemostat.core.history.repeats import mask_figures
from hemostat.core.history.status import MAX_MISSED_HEARTBEATS
from hemostat.core.units import show_duration
from hemostat.events import Heartbeat

HOST_SUBJECT: Final = ""
"""Takes the place of a role's name in a change of the whole host."""
FORGET_SECONDS: Final = 3600.0
"""Seconds after which a silent instance is forgotten."""
MAX_HOSTS: Final = 1000
MAX_INSTANCES: Final = 50
"""Hosts, and instances of roles on one host, that are known at once. A new one replaces the one that is
silent for longest: names of hosts and instances are their senders' choice."""

_Beats = dict[tuple[str, str], "_LastBeat"]
"""The last heartbeats of one host, by role and instance, the latest last."""


class RoleChange(msgspec.Struct, frozen=True):
    host: str
    role: str
    text: str
    fault: bool = False


class _LastBeat(msgspec.Struct):
    beat: Heartbeat
    at: float
    """When the last heartbeat arrived (epoch seconds)."""
    is_silent: bool = False


class RoleTracker:
    """Keeps the last heartbeat of every instance of a role."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Beats] = {}
        """By host, the one with the latest heartbeat last."""
        self._silent_hosts: dict[str, float] = {}
        """Since when no role of a host was heard (epoch seconds)."""

    def is_heard(self, host: str, role: str) -> bool:
        """Whether an instance of the role sends heartbeats."""
        beats = self._hosts.get(host, {})
        return any(key[0] == role and not last.is_silent for key, last in beats.items())

    def forgive(self, now: float) -> None:
        """Count the silence from now: nothing could be heard before."""
        for beats in self._hosts.values():
            for last in beats.values():
                last.at = now

    def hear(self, host: str, beat: Heartbeat, now: float) -> list[RoleChange]:
        beats = self._hosts.pop(host, {})
        before = beats.pop((beat.role, beat.instance), None)
        self._hosts[host] = beats
        beats[beat.role, beat.instance] = _LastBeat(beat, now)
        self._forget_excess(beats)
        changes: list[RoleChange] = []
        if host in self._silent_hosts:
            silence = now - self._silent_hosts.pop(host)
            changes.append(RoleChange(host, HOST_SUBJECT, f"heartbeats again after {show_duration(silence)}"))
            self._await_others(host, now)
            before = None if before is None else msgspec.structs.replace(before, is_silent=False)
        if before is None:
            texts = [_describe_start(beat)]
        else:
            silence = now - before.at
            texts = [f"heartbeats again after {show_duration(silence)}"] if before.is_silent else []
            texts += _describe_differences(before.beat, beat)
        return [
            *changes,
            *(RoleChange(host, beat.role, text, fault=text.startswith("error")) for text in texts),
        ]

    def find_silent(self, now: float) -> list[RoleChange]:
        """The roles that have fallen silent since the last call. A host of which no role is heard is one
        change."""
        changes: list[RoleChange] = []
        for host, beats in [*self._hosts.items()]:
            for key, last in [*beats.items()]:
                missed = (now - last.at) / last.beat.every if last.beat.every > 0 else 0.0
                if last.is_silent:
                    if now - last.at > FORGET_SECONDS:
                        del beats[key]
                elif missed > MAX_MISSED_HEARTBEATS + 1:
                    changes.append(self._silence(host, key, now))
            if not beats:
                del self._hosts[host]
        return changes

    def _forget_excess(self, beats: _Beats) -> None:
        if len(beats) > MAX_INSTANCES:
            del beats[next(iter(beats))]
        if len(self._hosts) > MAX_HOSTS:
            oldest = next(iter(self._hosts))
            del self._hosts[oldest]
            self._silent_hosts.pop(oldest, None)

    def _silence(self, host: str, key: tuple[str, str], now: float) -> RoleChange:
        """Another heartbeat was waited for, so that the other roles of the host have had time to be missed,
        too."""
        role, instance = key
        beats = self._hosts[host]
        last = beats[key]
        duration = show_duration(float(int(now - last.at)))
        others = [(other, each) for other, each in beats.items() if other != key and not each.is_silent]
        last.is_silent = True
        if others and all(_is_missed(each, now) for _, each in others):
            for _, each in others:
                each.is_silent = True
            self._silent_hosts[host] = max(each.at for each in beats.values())
            return RoleChange(host, HOST_SUBJECT, f"no heartbeat of any role for {duration}", fault=True)
        successor = next((other[1] for other, _ in others if other[0] == role), "")
        if successor:
            text = f"no heartbeat of instance {instance} for {duration}; instance {successor} is running"
            return RoleChange(host, role, text)
        text = f"no heartbeat for {duration}: it has stopped, or it cannot reach Redis"
        return RoleChange(host, role, text, fault=True)

    def _await_others(self, host: str, now: float) -> None:
        """Give the other roles of a host that is back the time for a heartbeat."""
        for last in self._hosts[host].values():
            if last.is_silent:
                last.is_silent, last.at = False, now


def _is_missed(last: _LastBeat, now: float) -> bool:
    return now - last.at > MAX_MISSED_HEARTBEATS * last.beat.every


def _describe_start(beat: Heartbeat) -> str:
    mode = f", mode {beat.mode}" if beat.mode else ""
    return f"running{mode}{f', error: {beat.trouble}' if beat.trouble else ''}"


def _describe_differences(before: Heartbeat, after: Heartbeat) -> Iterator[str]:
    if after.started != before.started:
        yield "restarted"
    if after.mode != before.mode:
        yield f"mode {after.mode or 'unknown'}, was {before.mode or 'unknown'}"
    if mask_figures(after.trouble) != mask_figures(before.trouble):
        yield f"error: {after.trouble}" if after.trouble else f"the error is over: {before.trouble}"
    last, current = _mask_all(before.warnings), _mask_all(after.warnings)
    yield from (f"warning: {each}" for masked, each in current.items() if masked not in last)
    yield from (f"the warning is over: {each}" for masked, each in last.items() if masked not in current)


def _mask_all(texts: Iterable[str]) -> dict[str, str]:
    return {mask_figures(each): each for each in texts}
