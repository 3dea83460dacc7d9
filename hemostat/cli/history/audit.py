"""`hemostat audit`: checks that stored events are unchanged."""

import sys
import time
from typing import TYPE_CHECKING, Final

import click
import msgspec

from hemostat import errors
from hemostat.cli.operator.decisions import by_option, find_user
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.cli.root import Group
from hemostat.core.history.audit_chain import AuditFinding
from hemostat.core.text import escape_controls
from hemostat.errors import BusError, BusUnreachableError, UsageError

if TYPE_CHECKING:
    from hemostat.config import Settings
    from hemostat.core.history.audit_chain import AnchorNotes, ChainEnds, ChainPosition
    from hemostat.core.history.audit_verdict import AuditVerdict


MAX_TRIES: Final = 5


class ChainHead(msgspec.Struct, frozen=True, kw_only=True):
    """The last row of the trail: its number, and its hash in hexadecimal."""

    trail: str
    number: int
    hash: str


class VerifyResult(msgspec.Struct, frozen=True, kw_only=True):
    """`first` and `last` are numbers of rows. `head` is the last row as NUMBER:HASH, and `noted` the one that
    was noted elsewhere. `accepted` are mismatches that an operator has accepted. `not_checked` names
    comparisons that were not possible."""

    trail: str
    first: int
    last: int
    head: str
    noted: str | None
    findings: list[AuditFinding]
    accepted: list[AuditFinding]
    not_checked: list[str]


class AcceptResult(msgspec.Struct, frozen=True, kw_only=True):
    """`accepted`: whether there was a mismatch to accept. `head` is the last row as NUMBER:HASH."""

    trail: str
    head: str
    accepted: bool


@click.group(cls=Group)
def audit() -> None:
    """Verify the audit trail of stored events."""


@audit.command()
@click.pass_obj
@prints_json(JsonShape("cli.history.audit:ChainHead"))
def head(options: Globals) -> None:
    """Print the head of the audit chain as NUMBER:HASH, to store where HemoStat cannot write."""
    from hemostat import app

    with app.open_event_store(options.load_settings()) as records:
        ends = records.read_ends()
    if options.json:
        write_json(ChainHead(trail=ends.trail, number=ends.head.number, hash=ends.head.hash.hex()))
    else:
        click.echo(str(ends.head))


@audit.command()
@click.option(
    "--head", "noted_head", metavar="NUMBER:HASH", help="A chain head noted earlier, to compare with."
)
@click.pass_obj
@prints_json(JsonShape("cli.history.audit:VerifyResult"))
def verify(options: Globals, noted_head: str | None) -> int:
    """Find rows that were changed, removed or reordered after they were stored, and a replaced trail.

    Exit code 1: a mismatch that no operator has accepted. 3: no mismatch, but not all rows could be compared,
    because no head is noted elsewhere or a key is missing.
    """
    from hemostat.core.history.audit_verdict import judge_findings

    own = _parse_head(noted_head) if noted_head else None
    ends, notes, findings, redis_error = _check(options.load_settings(), own)
    verdict = judge_findings(findings, notes)
    unchecked = [*verdict.unchecked, *([redis_error] if redis_error and own is None else [])]
    if options.json:
        write_json(_build_result(ends, notes, verdict, unchecked))
    else:
        _print_verdict(ends, verdict, unchecked)
    if verdict.findings:
        return errors.FAILURE
    return errors.UNREACHABLE if unchecked else errors.OK


@audit.command()
@click.option("--reason", required=True, metavar="TEXT", help="Reason, stored with the event.")
@by_option
@click.option("--yes", "-y", is_flag=True, help="Skip the confirmation.")
@click.pass_obj
@prints_json(JsonShape("cli.history.audit:AcceptResult"))
def accept(options: Globals, reason: str, by: str | None, *, yes: bool) -> None:
    """Accept the current trail and its mismatches: after a restored backup, a new database or a lost key. The
    operator's name and the reason are stored in the trail.
    """
    from hemostat import app
    from hemostat.core.history.audit_verdict import judge_findings

    settings, by = options.load_settings(), by or find_user()
    ends, notes, findings, redis_error = _check(settings, None, lost_key=not settings.audit_keys)
    if redis_error:
        raise BusUnreachableError(redis_error, hint="the accepted head is stored in Redis")
    verdict = judge_findings(findings, notes)
    if not verdict.findings and not verdict.unchecked:
        text = "nothing to accept: the trail has no mismatches"
        return _print_accepted(options, text, ends, accepted=False)
    _print_verdict(ends, verdict, verdict.unchecked, err=options.json)
    if not yes and not sys.stdin.isatty():
        raise UsageError("nothing was accepted: no terminal for the confirmation", hint="add --yes")
    if not yes:
        click.confirm(f"accept trail {ends.trail} up to row {ends.head.number}?", abort=True, err=True)
    with app.open_operator(settings) as orders:
        ends = _accept(settings, by, reason)
        orders.accept_trail(str(ends.head), by=by, reason=reason)
    return _print_accepted(
        options, f"trail {ends.trail} accepted up to row {ends.head.number}", ends, accepted=True
    )


def _print_accepted(options: Globals, text: str, ends: "ChainEnds", *, accepted: bool) -> None:
    if options.json:
        write_json(AcceptResult(trail=ends.trail, head=str(ends.head), accepted=accepted))
    else:
        click.echo(escape_controls(text))


def _accept(settings: "Settings", by: str, reason: str) -> "ChainEnds":
    """Accept the findings up to the current end, even if rows are stored meanwhile."""
    from hemostat import app
    from hemostat.core.history.audit_chain import AcceptedFindings, compress_findings
    from hemostat.core.history.audit_verdict import sign_acceptance

    keys, now = settings.audit_keys, time.time()
    with app.open_event_store(settings) as records, app.open_audit_anchor(settings) as audit_anchor:
        for _ in range(MAX_TRIES):
            ends, _, findings, _ = _check(settings, None, lost_key=not keys)
            accepted = AcceptedFindings(
                head=ends.head, findings=compress_findings(findings), by=by, reason=reason, time=now
            )
            audit_anchor.accept_trail(
                records.get_location(settings.machine_name),
                ends,
                sign_acceptance(accepted, ends.trail, keys),
                signed=ends.head.number + 1 if keys else 0,
            )
            if records.read_ends().head == ends.head:
                break
    return ends


def _check(
    settings: "Settings", own: "ChainPosition | None", *, lost_key: bool = False
) -> "tuple[ChainEnds, AnchorNotes, list[AuditFinding], str]":
    """The chain's ends, its notes, the findings, and the error if Redis was unreachable.

    `own` is a head that replaces the noted one. `lost_key`: check signed rows without a key.
    """
    from hemostat import app
    from hemostat.core.history.audit_chain import AnchorNotes
    from hemostat.core.history.audit_verdict import drop_untrusted_acceptance
    from hemostat.core.history.audit_verification import verify_chain as check

    with app.open_event_store(settings) as records:
        location = records.get_location(settings.machine_name)
        before, _ = _read_notes(settings, records.read_ends().trail, location)
        with records.open_trail() as (ends, links):
            # The anchor may have moved since the first read: it is noted before rows are removed.
            after, redis_error = _read_notes(settings, ends.trail, location)
            known_notes = drop_untrusted_acceptance(after or AnchorNotes(), ends.trail, settings.audit_keys)
            notes = msgspec.structs.replace(known_notes, head=own or (before.head if before else None))
            notes = msgspec.structs.replace(notes, signed=0) if lost_key else notes
            return ends, notes, list(check(links, ends, notes, settings.audit_keys)), redis_error


def _read_notes(settings: "Settings", trail: str, location: str) -> "tuple[AnchorNotes | None, str]":
    from hemostat import app

    try:
        with app.open_audit_anchor(settings) as audit_anchor:
            return audit_anchor.read_notes(trail, location), ""
    except BusError as error:
        return None, error.message


def _parse_head(text: str) -> "ChainPosition":
    from hemostat.core.history.audit_chain import ChainPosition

    number, _, digest = text.partition(":")
    try:
        return ChainPosition(int(number), bytes.fromhex(digest))
    except ValueError:
        hint = "use the output of: hemostat audit head"
        raise UsageError(f"--head {text!r} is not NUMBER:HASH", hint=hint) from None


def _print_verdict(
    ends: "ChainEnds", verdict: "AuditVerdict", unchecked: list[str], *, err: bool = False
) -> None:
    """`err`: print to stderr, because stdout is for programs."""
    for each in verdict.findings:
        click.echo(escape_controls(each.text), err=err)
    rows = f"rows {ends.anchor.number + 1:,} to {ends.head.number:,} of trail {escape_controls(ends.trail)}"
    if not verdict.findings:
        empty = ends.anchor.number == ends.head.number
        text = "no rows are stored" if empty else f"{rows} are unchanged"
        click.echo(f"{text}; head {ends.head}", err=err)
    if verdict.accepted:
        click.echo(f"hemostat: {len(verdict.accepted)} mismatches were accepted earlier", err=True)
    for why in unchecked:
        click.echo(f"hemostat: some rows could not be compared: {escape_controls(why)}", err=True)


def _build_result(
    ends: "ChainEnds", notes: "AnchorNotes", verdict: "AuditVerdict", unchecked: list[str]
) -> VerifyResult:
    return VerifyResult(
        trail=ends.trail,
        first=ends.anchor.number + 1,
        last=ends.head.number,
        head=str(ends.head),
        noted=None if notes.head is None else str(notes.head),
        findings=verdict.findings,
        accepted=verdict.accepted,
        not_checked=unchecked,
    )
