"""The analyzer: an alert in, a remediation or a false alarm out. The rules are core.diagnose's."""

from hemostat.core.diagnose import diagnose
from hemostat.events import Event, FalseAlarm, HealthAlert, Phase, RemediationNeeded


class Analyzer:
    def __init__(self, *, source: str) -> None:
        self._source = source

    def step(self, event: Event, now: float) -> list[Event]:
        alert = event.data
        if not isinstance(alert, HealthAlert) or alert.phase is Phase.CLEARED:
            return []
        verdict = diagnose(alert)
        data: FalseAlarm | RemediationNeeded
        if verdict.action is None:
            data = FalseAlarm(alert=alert, diagnosis=verdict.diagnosis)
        else:
            data = RemediationNeeded(alert=alert, action=verdict.action, diagnosis=verdict.diagnosis)
        return [
            Event.make(
                data,
                time=now,
                host=event.host,
                source=self._source,
                incident=event.incident,
                cause=event.id,
            )
        ]
