"""What was known of a container before something was done to it: bounded, and without secrets.

What is kept is decided here; it is gathered by agents/evidence. A dossier is never larger than LIMIT: what is
least missed is given up first.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hemostat.core.evidence.log_text import final_text, without_controls
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, MetricPoint, encode
from hemostat.core.labels.container_ref import reference
from hemostat.core.model import ContainerInfo
from hemostat.core.redact import Hide, redact, redact_environment
from hemostat.events import Container, Evidence, RemediationNeeded

LIMIT: Final = 64 * 1024
"""Bytes of an encoded dossier."""
LOG_LIMIT: Final = 16 * 1024
"""Bytes of a log's tail, as encoded."""
RAW: Final = 16 * LOG_LIMIT
"""Characters of a log that are looked at: lines may be of any length, and a restart waits for this."""
REDACTED: Final = 4 * LOG_LIMIT
"""Characters of it in which secrets are looked for."""
LONG_LINE: Final = 2000
"""Characters that are kept of a line of a log."""
SECRET: Final = 4000
"""Characters that a secret may have: where a line is cut before secrets are masked, so much more is left."""
REDACTION_SECONDS: Final = 1.0
"""For all texts of a dossier: a restart waits for them."""
SAMPLES: Final = 120
PROCESSES: Final = 100
VARIABLES: Final = 200
LINE: Final = 500
"""Characters of a command line, a variable or a health check's output."""
CUT: Final = "[earlier lines are left out]\n"
LINE_CUT: Final = " [the rest of this line is left out]"


def dossier(
    request: RemediationNeeded,
    found: ContainerInfo | None,
    *,
    now: float,
    log: str = "",
    processes: Sequence[str] = (),
    details: ContainerDetails | None = None,
    samples: Sequence[MetricPoint] = (),
    missing: dict[str, str] | None = None,
    hide: Hide = redact,
) -> EvidenceSnapshot:
    """Of raw material, secrets masked by `hide`, within LIMIT."""
    alert = request.alert

    def line(text: str) -> str:
        return _line(text, hide)

    return _shrunk(
        EvidenceSnapshot(
            time=now,
            container=_named(alert.container),
            kind=alert.kind,
            action=request.action,
            occurrence=alert.occurrence,
            rung=request.rung,
            state=None if found is None else found.state,
            log=tail(log, LOG_LIMIT, hide),
            processes=tuple(map(line, processes[:PROCESSES])),
            details=None if details is None else masked(details, hide),
            samples=tuple(samples[-SAMPLES:]),
            evidence=tuple(_fact(item, hide) for item in alert.evidence[:50]),
            missing={source: line(why) for source, why in (missing or {}).items()},
        )
    )


def masked(details: ContainerDetails, hide: Hide = redact) -> ContainerDetails:
    def line(text: str) -> str:
        return _line(text, hide)

    variables = list(redact_environment(_plain_variables(details.environment), hide).items())[:VARIABLES]
    return msgspec.structs.replace(
        details,
        command=tuple(line(" ".join(details.command)).split(" ")) if details.command else (),
        networks=tuple(map(line, details.networks[:50])),
        mounts=tuple(map(line, details.mounts[:50])),
        environment={name[:LINE]: value[:LINE] for name, value in variables},
        checks=tuple(
            msgspec.structs.replace(check, output=line(check.output)) for check in details.checks[-10:]
        ),
        error=line(details.error),
    )


def tail(log: str, limit: int, hide: Hide = redact) -> str:
    """The end of the log as a terminal shows it, without secrets, in whole lines if it can be, at most
    `limit` bytes as encoded. It is cut after it is redacted, so that no cut lays half a secret open."""
    shortened = _ENDLESS.sub(r"\1", log)
    plain = final_text(_end(shortened, RAW))
    looked_at = _end(plain, REDACTED)
    text = _LONG.sub(rf"\1{LINE_CUT}", hide(looked_at))
    if len(shortened) <= RAW and len(plain) <= REDACTED and _size(text) <= limit:
        return text
    room = limit - len(CUT) - 2
    end = text[-room:]
    while _size(end) > room:
        end = end[min(len(end), max(1, (_size(end) - room) // 6)) :]
    _, line_end, rest = end.partition("\n")
    return CUT + (rest if line_end and rest else end)


def _end(text: str, size: int) -> str:
    """The last characters. A secret of which the beginning is cut off is not known for one: the line that is
    cut goes, or as much of it as a secret may have."""
    if len(text) <= size:
        return text
    end = text[-size:]
    return end.partition("\n")[2] or end[SECRET:]


_ENDLESS: Final = re.compile(rf"(?<![^\n\r\x08])([^\n\r\x08]{{{LONG_LINE + SECRET}}})[^\n\r\x08]+")
_LONG: Final = re.compile(rf"(?<![^\n])([^\n]{{{LONG_LINE}}})[^\n]{{{len(LINE_CUT) + 1},}}")


# --- bounds -------------------------------------------------------------------------------------------


def _without(name: str, empty: object) -> Callable[[EvidenceSnapshot], EvidenceSnapshot]:
    return lambda kept: msgspec.structs.replace(kept, **{name: empty, "left_out": (*kept.left_out, name)})


def _without_environment(kept: EvidenceSnapshot) -> EvidenceSnapshot:
    details = None if kept.details is None else msgspec.structs.replace(kept.details, environment={})
    return msgspec.structs.replace(kept, details=details, left_out=(*kept.left_out, "environment"))


STEPS: Final[tuple[Callable[[EvidenceSnapshot], EvidenceSnapshot], ...]] = (
    _without("samples", ()),
    _without("processes", ()),
    _without_environment,
    _without("details", None),
    lambda kept: msgspec.structs.replace(kept, log=tail(kept.log, LOG_LIMIT // 4)),
    _without("evidence", ()),
    _without("log", ""),
    _without("missing", {}),
)
"""What is given up, in this order, until the rest fits."""


def _shrunk(kept: EvidenceSnapshot) -> EvidenceSnapshot:
    for step in STEPS:
        if len(encode(kept)) <= LIMIT:
            break
        kept = step(kept)
    return kept


def _size(text: str) -> int:
    return len(msgspec.json.encode(text))


def _plain_variables(variables: dict[str, str]) -> dict[str, str]:
    some = list(variables.items())[:VARIABLES]
    return {without_controls(name[:LINE]): without_controls(value[: 4 * LINE]) for name, value in some}


def _line(text: str, hide: Hide = redact) -> str:
    return hide(final_text(text[: 4 * LINE]))[:LINE]


def _fact(item: Evidence, hide: Hide) -> Evidence:
    value = _line(item.value, hide) if isinstance(item.value, str) else item.value
    return Evidence(_line(item.name, hide), value, _line(item.unit, hide))


def _named(container: Container) -> Container:
    labels = {_line(key): _line(value) for key, value in list(container.labels.items())[:50]}
    return reference(_line(container.id), _line(container.name), _line(container.image), labels)
