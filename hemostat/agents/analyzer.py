"""The analyzer: an alert in, a remediation or a false alarm out; a remediation that did not help in, the next
rung of the ladder out. The rules are core.diagnose's and core.escalate's."""

from hemostat.core.diagnose import diagnose
from hemostat.core.escalate import follows
from hemostat.core.redact import redact
from hemostat.events import (
    Action,
    Diagnosis,
    Event,
    FalseAlarm,
    HealthAlert,
    Phase,
    RemediationComplete,
    RemediationNeeded,
)


class Analyzer:
    def __init__(self, *, source: str) -> None:
        self._source = source

    def step(self, event: Event, now: float) -> list[Event]:
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                return [self._answer(event, now, _judged(alert))]
            case RemediationComplete(alert=HealthAlert() as alert) as done:
                action = follows(done)
                return [] if action is None else [self._answer(event, now, _climbed(done, alert, action))]
        return []

    def buried(self, event: Event, error: str, now: float) -> list[Event]:
        """What could not be judged is for a person to look at."""
        unclear = Diagnosis(cause="not diagnosed", confidence=0.0, reasons=(redact(error),))
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                told = RemediationNeeded(alert=alert, action=Action.NONE, diagnosis=unclear)
            case RemediationComplete(alert=HealthAlert() as alert, rung=rung):
                told = RemediationNeeded(alert=alert, action=Action.NONE, diagnosis=unclear, rung=rung + 1)
            case _:
                return []
        return [self._answer(event, now, told)]

    def _answer(self, event: Event, now: float, data: FalseAlarm | RemediationNeeded) -> Event:
        return Event.make(
            data, time=now, host=event.host, source=self._source, incident=event.incident, cause=event.id
        )


def _judged(alert: HealthAlert) -> FalseAlarm | RemediationNeeded:
    verdict = diagnose(alert)
    if verdict.action is None:
        return FalseAlarm(alert=alert, diagnosis=verdict.diagnosis)
    return RemediationNeeded(
        alert=alert, action=verdict.action, diagnosis=verdict.diagnosis, parameters=verdict.parameters
    )


def _climbed(done: RemediationComplete, alert: HealthAlert, action: Action) -> RemediationNeeded:
    return RemediationNeeded(alert=alert, action=action, diagnosis=done.diagnosis, rung=done.rung + 1)
