"""Builds the evidence snapshot: what was known of a container before an action, bounded and without secrets.

This module decides what is kept; hemostat.evidence_collector collects the material. A snapshot never exceeds
MAX_SNAPSHOT_BYTES: the least important parts are dropped first.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hemostat.core.evidence.log_text import remove_controls, render_final_text
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, MetricPoint, encode
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.model import ContainerInfo
from hemostat.core.redact import Redactor, redact, redact_environment
from hemostat.events import Container, Evidence, RemediationNeeded

MAX_SNAPSHOT_BYTES: Final = 64 * 1024
"""Bytes of an encoded evidence snapshot."""
MAX_LOG_BYTES: Final = 16 * 1024
"""Bytes of a log's tail, as encoded."""
MAX_RAW_CHARACTERS: Final = 16 * MAX_LOG_BYTES
"""Characters of a log that are read. Lines may be of any length, and a restart waits for this."""
MAX_REDACTED_CHARACTERS: Final = 4 * MAX_LOG_BYTES
"""Characters of the log in which secrets are searched."""
MAX_LOG_LINE_CHARACTERS: Final = 2000
"""Characters kept of a log line."""
MAX_SECRET_CHARACTERS: Final = 4000
"""Characters that a secret may have. Where a line is cut before secrets are masked, this many more are
kept."""
MAX_REDACTION_SECONDS: Final = 1.0
"""Seconds for all texts of a snapshot, because a restart waits for them."""
MAX_SAMPLES: Final = 120
MAX_PROCESSES: Final = 100
MAX_VARIABLES: Final = 200
MAX_LINE_CHARACTERS: Final = 500
"""Characters of a command line, a variable or a health check's output."""
CUT_NOTE: Final = "[earlier lines are left out]\n"
LINE_CUT_NOTE: Final = " [the rest of this line is left out]"


def build_snapshot(
    request: RemediationNeeded,
    info: ContainerInfo | None,
    *,
    now: float,
    log: str = "",
    processes: Sequence[str] = (),
    details: ContainerDetails | None = None,
    samples: Sequence[MetricPoint] = (),
    missing: dict[str, str] | None = None,
    hide: Redactor = redact,
) -> EvidenceSnapshot:
    """The snapshot from raw material, with secrets masked by `hide`, within MAX_SNAPSHOT_BYTES."""
    alert = request.alert

    def line(text: str) -> str:
        return _clean_line(text, hide)

    return _shrink(
        EvidenceSnapshot(
            time=now,
            container=_clean_reference(alert.container),
            kind=alert.kind,
            action=request.action,
            occurrence=alert.occurrence,
            rung=request.rung,
            state=None if info is None else info.state,
            log=build_log_tail(log, MAX_LOG_BYTES, hide),
            processes=tuple(map(line, processes[:MAX_PROCESSES])),
            details=None if details is None else mask_details(details, hide),
            samples=tuple(samples[-MAX_SAMPLES:]),
            evidence=tuple(_clean_fact(item, hide) for item in alert.evidence[:50]),
            missing={source: line(why) for source, why in (missing or {}).items()},
        )
    )


def mask_details(details: ContainerDetails, hide: Redactor = redact) -> ContainerDetails:
    def line(text: str) -> str:
        return _clean_line(text, hide)

    variables = list(redact_environment(_clean_variables(details.environment), hide).items())[:MAX_VARIABLES]
    return msgspec.structs.replace(
        details,
        command=tuple(line(" ".join(details.command)).split(" ")) if details.command else (),
        networks=tuple(map(line, details.networks[:50])),
        mounts=tuple(map(line, details.mounts[:50])),
        environment={name[:MAX_LINE_CHARACTERS]: value[:MAX_LINE_CHARACTERS] for name, value in variables},
        checks=tuple(
            msgspec.structs.replace(check, output=line(check.output)) for check in details.checks[-10:]
        ),
        error=line(details.error),
    )


def build_log_tail(log: str, limit: int, hide: Redactor = redact) -> str:
    """The end of the log as a terminal shows it, without secrets, in whole lines if possible, at most `limit`
    bytes as encoded. The text is cut after redaction, so that a cut cannot expose half a secret."""
    shortened = _ENDLESS_LINE.sub(r"\1", log)
    plain = render_final_text(_take_end(shortened, MAX_RAW_CHARACTERS))
    looked_at = _take_end(plain, MAX_REDACTED_CHARACTERS)
    text = _OVERLONG_LINE.sub(rf"\1{LINE_CUT_NOTE}", hide(looked_at))
    if (
        len(shortened) <= MAX_RAW_CHARACTERS
        and len(plain) <= MAX_REDACTED_CHARACTERS
        and _count_encoded_bytes(text) <= limit
    ):
        return text
    room = limit - len(CUT_NOTE) - 2
    end = text[-room:]
    while _count_encoded_bytes(end) > room:
        end = end[min(len(end), max(1, (_count_encoded_bytes(end) - room) // 6)) :]
    _, line_end, rest = end.partition("\n")
    return CUT_NOTE + (rest if line_end and rest else end)


def _take_end(text: str, size: int) -> str:
    """The last characters. A secret whose beginning is cut off is not recognised. So the cut line is dropped,
    or as much of it as a secret may have."""
    if len(text) <= size:
        return text
    end = text[-size:]
    return end.partition("\n")[2] or end[MAX_SECRET_CHARACTERS:]


_ENDLESS_LINE: Final = re.compile(
    rf"(?<![^\n\r\x08])([^\n\r\x08]{{{MAX_LOG_LINE_CHARACTERS + MAX_SECRET_CHARACTERS}}})[^\n\r\x08]+"
)
_OVERLONG_LINE: Final = re.compile(
    rf"(?<![^\n])([^\n]{{{MAX_LOG_LINE_CHARACTERS}}})[^\n]{{{len(LINE_CUT_NOTE) + 1},}}"
)


# --- bounds -------------------------------------------------------------------------------------------


def _make_field_drop(name: str, empty: object) -> Callable[[EvidenceSnapshot], EvidenceSnapshot]:
    return lambda snapshot: msgspec.structs.replace(
        snapshot, **{name: empty, "left_out": (*snapshot.left_out, name)}
    )


def _drop_environment(snapshot: EvidenceSnapshot) -> EvidenceSnapshot:
    details = None if snapshot.details is None else msgspec.structs.replace(snapshot.details, environment={})
    return msgspec.structs.replace(snapshot, details=details, left_out=(*snapshot.left_out, "environment"))


SHRINK_STEPS: Final[tuple[Callable[[EvidenceSnapshot], EvidenceSnapshot], ...]] = (
    _make_field_drop("samples", ()),
    _make_field_drop("processes", ()),
    _drop_environment,
    _make_field_drop("details", None),
    lambda kept: msgspec.structs.replace(kept, log=build_log_tail(kept.log, MAX_LOG_BYTES // 4)),
    _make_field_drop("evidence", ()),
    _make_field_drop("log", ""),
    _make_field_drop("missing", {}),
)
"""Reductions, applied in this order until the rest fits."""


def _shrink(snapshot: EvidenceSnapshot) -> EvidenceSnapshot:
    for step in SHRINK_STEPS:
        if len(encode(snapshot)) <= MAX_SNAPSHOT_BYTES:
            break
        snapshot = step(snapshot)
    return snapshot


def _count_encoded_bytes(text: str) -> int:
    return len(msgspec.json.encode(text))


def _clean_variables(variables: dict[str, str]) -> dict[str, str]:
    some = list(variables.items())[:MAX_VARIABLES]
    return {
        remove_controls(name[:MAX_LINE_CHARACTERS]): remove_controls(value[: 4 * MAX_LINE_CHARACTERS])
        for name, value in some
    }


def _clean_line(text: str, hide: Redactor = redact) -> str:
    return hide(render_final_text(text[: 4 * MAX_LINE_CHARACTERS]))[:MAX_LINE_CHARACTERS]


def _clean_fact(item: Evidence, hide: Redactor) -> Evidence:
    value = _clean_line(item.value, hide) if isinstance(item.value, str) else item.value
    return Evidence(_clean_line(item.name, hide), value, _clean_line(item.unit, hide))


def _clean_reference(container: Container) -> Container:
    labels = {_clean_line(key): _clean_line(value) for key, value in list(container.labels.items())[:50]}
    return build_reference(
        _clean_line(container.id), _clean_line(container.name), _clean_line(container.image), labels
    )
