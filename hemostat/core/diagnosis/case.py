"""An incident as it is analysed: what was told, what the container was like, what came of it before."""

import re
from typing import Final

import msgspec

from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.errors import DecodeError
from hemostat.events import Action, HealthAlert, Outcome, RemediationComplete, digest

MAX_FINGERPRINT_LINES: Final = 10
"""Different lines at a log's end that make its fingerprint."""
VARIABLE_TOKEN: Final = re.compile(
    r"0x[0-9a-f]+|\b(?=[0-9a-f-]{0,63}[0-9])[0-9a-f][0-9a-f-]{5,63}\b|[0-9]+", re.IGNORECASE
)
"""What differs between two tellings of the same thing: numbers, times, identifiers. Bounded, for a stranger's
log must not hold up an analyzer."""


class Precedent(msgspec.Struct, frozen=True, kw_only=True):
    """One remediation that ended. `time` is epoch seconds, `lines` the log's fingerprint before it;
    `incident` is empty where an older version wrote it."""

    time: float
    host: str
    container: str
    action: Action
    outcome: Outcome
    cause: str
    lines: str = ""
    incident: str = ""


class EvidenceCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known when an incident is analysed; secrets masked. `story` is what was told of it and of
    its neighbours, oldest first, a line each; `past` the remediations of the same signature, oldest first."""

    host: str
    incident: str
    time: float
    alert: HealthAlert
    dossier: EvidenceSnapshot | None = None
    story: tuple[str, ...] = ()
    past: tuple[Precedent, ...] = ()


class ExpectedDiagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What was really the matter. `causes`: each of these is right; `actions` likewise, `false_alarm` among
    them; `roots`: the containers where it began, all of them."""

    causes: tuple[str, ...]
    actions: tuple[str, ...]
    roots: tuple[str, ...]


class EvalCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case to be analysed anywhere. `neighbours` are other containers by name, as they were then."""

    about: str = ""
    case: EvidenceCase
    neighbours: dict[str, EvidenceSnapshot] = {}
    truth: ExpectedDiagnosis | None = None


def compute_signature(alert: HealthAlert) -> str:
    """Incidents of one signature are of one kind: image, kind of alert, exit code."""
    parts = (alert.container.image or alert.container.name, alert.kind, f"{alert.number('exit_code'):.0f}")
    return digest("\n".join(parts).encode(), 8)


def compute_log_fingerprint(log: str) -> str:
    """The same for logs that say the same, but for numbers, times and identifiers; empty for an empty log."""
    said = dict.fromkeys(VARIABLE_TOKEN.sub("#", line).strip() for line in reversed(log.splitlines()))
    last = [line for line in said if line][:MAX_FINGERPRINT_LINES]
    return digest("\n".join(last).encode(), 8) if last else ""


def build_precedent(
    done: RemediationComplete, *, host: str, now: float, log: str, incident: str = ""
) -> Precedent:
    return Precedent(
        time=now,
        host=host,
        container=done.container.name,
        action=done.action,
        outcome=done.outcome,
        cause=done.diagnosis.cause,
        lines=compute_log_fingerprint(log),
        incident=incident,
    )


def keep_own_precedents(case: EvidenceCase) -> EvidenceCase:
    """Without what became of other containers of its image, on any host: they may be anybody's."""
    about = case.host, case.alert.container.name
    own = tuple(each for each in case.past if (each.host, each.container) == about)
    return msgspec.structs.replace(case, past=own)


def encode(recording: EvalCase) -> bytes:
    return msgspec.json.format(msgspec.json.encode(recording))


def decode(raw: bytes) -> EvalCase:
    """Raises DecodeError."""
    try:
        return msgspec.json.decode(raw, type=EvalCase)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not a recorded incident: {error}") from None
