"""An incident as it is analysed: the alert, the container's state, and earlier remediations. Also eval
cases."""

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
"""Matches what varies between two reports of the same event: numbers, times, identifiers. The length is
bounded so that an untrusted log cannot delay an analyzer."""


class Precedent(msgspec.Struct, frozen=True, kw_only=True):
    """One remediation that ended. `time` is epoch seconds. `lines` is the fingerprint of the log before the
    remediation. `incident` is empty in rows of older versions."""

    time: float
    host: str
    container: str
    action: Action
    outcome: Outcome
    cause: str
    lines: str = ""
    incident: str = ""


class EvidenceCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything known when an incident is analysed, with secrets masked. `story` holds the events of the
    incident and of its neighbours, one line each, oldest first. `past` holds the remediations with the same
    signature, oldest first."""

    host: str
    incident: str
    time: float
    alert: HealthAlert
    dossier: EvidenceSnapshot | None = None
    story: tuple[str, ...] = ()
    past: tuple[Precedent, ...] = ()


class ExpectedDiagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The correct answer of an eval case. Each of `causes` is correct, and so is each of `actions`, which may
    include `false_alarm`. `roots` lists all containers where the failure began."""

    causes: tuple[str, ...]
    actions: tuple[str, ...]
    roots: tuple[str, ...]


class EvalCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case that can be analysed anywhere. `neighbours` are the other containers by name, as they were
    then."""

    about: str = ""
    case: EvidenceCase
    neighbours: dict[str, EvidenceSnapshot] = {}
    truth: ExpectedDiagnosis | None = None


def compute_signature(alert: HealthAlert) -> str:
    """The signature of an incident: a digest of its image, kind of alert and exit code. Incidents of the same
    sort share a signature."""
    parts = (
        alert.container.image or alert.container.name,
        alert.kind,
        f"{alert.get_number('exit_code'):.0f}",
    )
    return digest("\n".join(parts).encode(), 8)


def compute_log_fingerprint(log: str) -> str:
    """The fingerprint of a log. Logs that differ only in numbers, times and identifiers have the same one.
    Empty for an empty log."""
    lines = dict.fromkeys(VARIABLE_TOKEN.sub("#", line).strip() for line in reversed(log.splitlines()))
    last = [line for line in lines if line][:MAX_FINGERPRINT_LINES]
    return digest("\n".join(last).encode(), 8) if last else ""


def build_precedent(
    completion: RemediationComplete, *, host: str, now: float, log: str, incident: str = ""
) -> Precedent:
    return Precedent(
        time=now,
        host=host,
        container=completion.container.name,
        action=completion.action,
        outcome=completion.outcome,
        cause=completion.diagnosis.cause,
        lines=compute_log_fingerprint(log),
        incident=incident,
    )


def keep_own_precedents(case: EvidenceCase) -> EvidenceCase:
    """The case without remediations of other containers of its image on any host, because those may belong to
    other users."""
    subject = case.host, case.alert.container.name
    own = tuple(each for each in case.past if (each.host, each.container) == subject)
    return msgspec.structs.replace(case, past=own)


def encode(recording: EvalCase) -> bytes:
    return msgspec.json.format(msgspec.json.encode(recording))


def decode(raw: bytes) -> EvalCase:
    """Raises DecodeError."""
    try:
        return msgspec.json.decode(raw, type=EvalCase)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not a recorded incident: {error}") from None
