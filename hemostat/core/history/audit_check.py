"""Whether the trail in a database is the one that belongs there, by its ends and what is noted elsewhere.

This is asked after every batch that is stored, and by `hemostat doctor`. It reads the last row alone:
`core.history.audit_chain.verify` reads them all.
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
)
from hemostat.core.history.audit_hash import RowHasher

TROUBLE_PREFIX: Final = "the audit trail"
"""How each objection begins; people are told by it (core.notify.self_monitoring)."""


class AuditVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """`findings` are open, `accepted` a person has accepted; `unchecked` says what could not be compared."""

    findings: list[AuditFinding]
    accepted: list[AuditFinding]
    unchecked: list[str]


class AuditObservation(msgspec.Struct, frozen=True, kw_only=True):
    """A trail's ends, what is noted of it, whether the noted head is in it, its last row, and the
    keys."""

    ends: ChainEnds
    noted: AnchorNotes
    has_head: bool
    last: ChainRow | None = None
    keys: tuple[bytes, ...] = ()


def find_objection(look: AuditObservation) -> str:
    """Why this is not the trail that was written, or cannot go on as it was; empty where nothing speaks
    against it."""
    return find_replacement(look) or find_missing_key(look)


def find_replacement(look: AuditObservation) -> str:
    """Why this is not the trail that was written."""
    why = _describe_replacement(look) or _describe_unsigned_end(look)
    return f"{TROUBLE_PREFIX} {why}" if why else ""


def find_missing_key(look: AuditObservation) -> str:
    """Whether rows are signed, and the key that signs them is not here."""
    if not look.noted.signed or look.keys:
        return ""
    return f"{TROUBLE_PREFIX} is signed from row {look.noted.signed} on, and no key is given"


def judge_findings(findings: Iterable[AuditFinding], noted: AnchorNotes) -> AuditVerdict:
    """What a whole reading of the trail comes to. Findings that a person has accepted count no more."""
    accepted, left, unchecked = list[AuditFinding](), list[AuditFinding](), list[str]()
    for each in findings:
        if each.what == NOT_CHECKED:
            unchecked.append(each.text)
        elif noted.accepted is not None and noted.accepted.covers(each):
            accepted.append(each)
        else:
            left.append(each)
    if noted.head is None:
        unchecked.append("no head is noted elsewhere: an end that was cut off would not show")
    return AuditVerdict(findings=left, accepted=accepted, unchecked=unchecked)


def _describe_replacement(look: AuditObservation) -> str:
    ends, noted = look.ends, look.noted
    if noted.trail not in {"", ends.trail}:
        return f"was replaced: trail {noted.trail} belongs to this store, and trail {ends.trail} is in it"
    if noted.head is None:
        return f"is trail {ends.trail}, and its noted end is gone from Redis" if noted.trail else ""
    if not look.has_head:
        return f"was replaced or cut off: row {noted.head.number}, which was stored, is not in it"
    if noted.anchor is not None and ends.anchor.number > noted.anchor.number:
        return f"was cut off: it begins after row {ends.anchor.number}, not after row {noted.anchor.number}"
    return ""


def _describe_unsigned_end(look: AuditObservation) -> str:
    """Of the last row alone: no row before it can be changed without it."""
    last, accepted = look.last, look.noted.accepted
    if not look.keys or last is None or (accepted is not None and last.number <= accepted.head.number):
        return ""
    if is_last_row_signed(look):
        return ""
    return f"ends with row {last.number}, which none of the given keys has signed"


def is_last_row_signed(look: AuditObservation) -> bool:
    """Whether the last row is."""
    last = look.last
    signing = RowHasher(look.ends.trail, look.keys)
    return last is not None and signing.is_signed(last.before, last.record, last.hash)


def sign_acceptance(accepted: AcceptedFindings, trail: str, keys: tuple[bytes, ...]) -> AcceptedFindings:
    """With an HMAC, where there is a key: who writes to Redis accepts nothing."""
    return msgspec.structs.replace(accepted, mac=_compute_mac(keys[0], trail, accepted)) if keys else accepted


def drop_untrusted_acceptance(noted: AnchorNotes, trail: str, keys: tuple[bytes, ...]) -> AnchorNotes:
    """What is noted of the trail, without an acceptance that none of the keys has signed."""
    accepted = noted.accepted
    if accepted is None or not keys:
        return noted
    if any(hmac.compare_digest(_compute_mac(key, trail, accepted), accepted.mac) for key in keys):
        return noted
    return msgspec.structs.replace(noted, accepted=None)


def _compute_mac(key: bytes, trail: str, accepted: AcceptedFindings) -> str:
    content = msgspec.json.encode((trail, msgspec.structs.replace(accepted, mac="")))
    return hmac.new(key, b"accepted\n" + content, "sha256").hexdigest()
