"""The Ledger port in memory. Safe to use from several threads."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from hemostat.core.ledger.alert_notes import list_note_suffixes, read_notes
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, ManualStop, RaisedLimit
from hemostat.core.settings.responder import MAX_RECENT_ATTEMPTS
from hemostat.ports import ControlStore


class InMemoryLedger:
    def __init__(
        self,
        control_store: ControlStore,
        incidents: Mapping[tuple[str, str | None], str],
        seals: Mapping[tuple[str, str | None], str] = MappingProxyType({}),
    ) -> None:
        """`incidents` and `seals` are those of the bus."""
        self._control_store = control_store
        self._incidents = incidents
        self._seals = seals
        self._lock = threading.Lock()
        self._versions: dict[str, int] = defaultdict(int)
        self._attempts: dict[str, dict[str, Attempt]] = defaultdict(dict)
        self._stops: dict[tuple[str, str], ManualStop] = {}
        self._raised_limits: dict[str, dict[tuple[str, str], RaisedLimit]] = defaultdict(dict)

    def read(self, host: str, container: str, incident: str = "", key: str = "") -> LedgerSnapshot:
        approvals = (approval for approval in self._control_store.list_approvals() if approval.key == key)
        alerted_container, *notes = (
            self._incidents.get((host, f"{incident}{suffix}")) for suffix in list_note_suffixes(key)
        )
        with self._lock:
            attempts = sorted(self._attempts[host].values(), key=lambda attempt: attempt.time)
            return LedgerSnapshot(
                version=self._versions[host],
                attempts=tuple(attempt for attempt in attempts if attempt.container == container),
                running_attempts=tuple(attempt for attempt in attempts if attempt.outcome is None),
                ended_attempts=tuple(attempt for attempt in attempts if attempt.outcome is not None)[
                    -MAX_RECENT_ATTEMPTS:
                ],
                controls=self._control_store.read_controls(),
                approval=next(approvals, None),
                alerted_container=alerted_container or "",
                notes=read_notes(key, *notes),
                seal=self._seals.get((host, incident), ""),
                manual_stop=self._stops.get((host, container)),
            )

    def list_attempts(self, host: str, container: str) -> tuple[Attempt, ...]:
        return self.read(host, container).attempts

    def note_stop(self, host: str, container: str, stop: ManualStop) -> None:
        with self._lock:
            self._stops[host, container] = stop

    def check(self, host: str) -> str:  # noqa: ARG002
        return ""

    def read_host(self, host: str) -> LedgerSnapshot:
        with self._lock:
            attempts = sorted(self._attempts[host].values(), key=lambda attempt: attempt.time)
            return LedgerSnapshot(
                version=self._versions[host],
                attempts=tuple(attempts),
                running_attempts=tuple(attempt for attempt in attempts if attempt.outcome is None),
                ended_attempts=tuple(attempt for attempt in attempts if attempt.outcome is not None)[
                    -MAX_RECENT_ATTEMPTS:
                ],
                controls=self._control_store.read_controls(),
            )

    def reserve(self, host: str, attempt: Attempt, version: int) -> bool:
        with self._lock:
            if self._versions[host] != version:
                return False
            self._write(host, attempt)
            return True

    def finish(self, host: str, attempt: Attempt) -> None:
        with self._lock:
            self._write(host, attempt)

    def _write(self, host: str, attempt: Attempt) -> None:
        self._versions[host] += 1
        self._attempts[host][attempt.key] = attempt

    def list_raised_limits(self, host: str) -> list[RaisedLimit]:
        with self._lock:
            return list(self._raised_limits[host].values())

    def save_raised_limit(self, host: str, scaled: RaisedLimit) -> None:
        with self._lock:
            raised_limits = self._raised_limits[host]
            name = (scaled.subject, scaled.resource)
            raised_limits[name] = (
                scaled.repeat_after(raised_limits[name]) if name in raised_limits else scaled
            )

    def remove_raised_limit(self, host: str, scaled: RaisedLimit) -> bool:
        with self._lock:
            name = (scaled.subject, scaled.resource)
            if self._raised_limits[host].get(name) != scaled:
                return False
            del self._raised_limits[host][name]
            return True
