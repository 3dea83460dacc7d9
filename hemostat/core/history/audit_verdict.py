"""Checks whether the audit chain in a database is the expected one, from its ends and the notes elsewhere.

The store runs this check after every stored batch, and so does `hemostat doctor`. It reads only the last row.
`core.history.audit_verification.verify_chain` reads all rows.
"""

import hmac
from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.core.history.audit_chain import (
    NOT_CHECKED,
    AcceptedFindings,
    AnchorNotes,
    AuditFinding,
    ChainEnds,
    ChainRow,
    RowHasher,
)

TROUBLE_PREFIX: Final = "the audit trail"
"""Prefix of each objection. core.notify.self_monitoring recognises the trouble by it and sends
notifications."""


class AuditVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """`findings` are open, `accepted` were accepted by a person. `unchecked` names comparisons that were not
    possible."""

    findings: list[AuditFinding]
    accepted: list[AuditFinding]
    unchecked: list[str]


class AuditObservation(msgspec.Struct, frozen=True, kw_only=True):
    """The observed state of a chain: its ends, the notes about it, whether it contains the noted head, its
    last row, and the keys."""

    ends: ChainEnds
    noted: AnchorNotes
    has_head: bool
    last: ChainRow | None = None
    keys: tuple[bytes, ...] = ()


def find_objection(look: AuditObservation) -> str:
    """Why this is not the chain that was written, or why it cannot be continued; empty without an
    objection."""
    return find_replacement(look) or find_missing_key(look)


def find_replacement(look: AuditObservation) -> str:
    """Why this is not the chain that was written; empty without an objection."""
    why = _describe_replacement(look) or _describe_unsigned_end(look)
    return f"{TROUBLE_PREFIX} {why}" if why else ""


def find_missing_key(look: AuditObservation) -> str:
    """The objection if rows are signed and no key is given; empty otherwise."""
    if not look.noted.signed or look.keys:
        return ""
    return f"{TROUBLE_PREFIX} is signed from row {look.noted.signed} on, but no key is configured"


def judge_findings(findings: Iterable[AuditFinding], notes: AnchorNotes) -> AuditVerdict:
    """The verdict from all findings. Findings that a person accepted no longer count."""
    accepted, open_findings, unchecked = list[AuditFinding](), list[AuditFinding](), list[str]()
    for each in findings:
        if each.what == NOT_CHECKED:
            unchecked.append(each.text)
        elif notes.accepted is not None and notes.accepted.covers(each):
            accepted.append(each)
        else:
            open_findings.append(each)
    if notes.head is None:
        unchecked.append("no head is noted elsewhere, so removed rows at the end cannot be detected")
    return AuditVerdict(findings=open_findings, accepted=accepted, unchecked=unchecked)


def _describe_replacement(look: AuditObservation) -> str:
    ends, notes = look.ends, look.noted
    if notes.trail not in {"", ends.trail}:
        return f"was replaced: trail {notes.trail} belongs to this store, but it contains trail {ends.trail}"
    if notes.head is None:
        return f"is trail {ends.trail}, but its noted head is missing in Redis" if notes.trail else ""
    if not look.has_head:
        return f"was replaced or truncated: row {notes.head.number}, which was stored, is missing"
    if notes.anchor is not None and ends.anchor.number > notes.anchor.number:
        return f"was truncated: it starts after row {ends.anchor.number}, not after row {notes.anchor.number}"
    return ""


def _describe_unsigned_end(look: AuditObservation) -> str:
    """Checks only the last row: no earlier row can be changed without changing the last."""
    last, accepted = look.last, look.noted.accepted
    if not look.keys or last is None or (accepted is not None and last.number <= accepted.head.number):
        return ""
    if is_last_row_signed(look):
        return ""
    return f"ends with row {last.number}, which is not signed with a configured key"


def is_last_row_signed(look: AuditObservation) -> bool:
    """Whether one of the keys signed the last row."""
    last = look.last
    signing = RowHasher(look.ends.trail, look.keys)
    return last is not None and signing.is_signed(last.before, last.record, last.hash)


def sign_acceptance(accepted: AcceptedFindings, trail: str, keys: tuple[bytes, ...]) -> AcceptedFindings:
    """Adds an HMAC if there is a key, so that write access to Redis is not enough to accept findings."""
    return msgspec.structs.replace(accepted, mac=_compute_mac(keys[0], trail, accepted)) if keys else accepted


def drop_untrusted_acceptance(notes: AnchorNotes, trail: str, keys: tuple[bytes, ...]) -> AnchorNotes:
    """The notes, without an acceptance that none of the keys signed."""
    accepted = notes.accepted
    if accepted is None or not keys:
        return notes
    if any(hmac.compare_digest(_compute_mac(key, trail, accepted), accepted.mac) for key in keys):
        return notes
    return msgspec.structs.replace(notes, accepted=None)


def _compute_mac(key: bytes, trail: str, accepted: AcceptedFindings) -> str:
    content = msgspec.json.encode((trail, msgspec.structs.replace(accepted, mac="")))
    return hmac.new(key, b"accepted\n" + content, "sha256").hexdigest()
