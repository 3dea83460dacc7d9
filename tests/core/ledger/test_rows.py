"""Rows of the ledger, as earlier versions wrote them."""

import msgspec

from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, RaisedLimit, Resource
from hemostat.events import Action

ROW = b'{"key":"k","container":"web","action":"restart","time":5.0,"by":"a","lease":9.0}'


def test_row_of_an_earlier_version_is_a_first_try_under_way():
    attempt = msgspec.json.decode(ROW, type=Attempt)
    assert (attempt.key, attempt.container, attempt.action) == ("k", "web", Action.RESTART)
    assert (attempt.tries, attempt.outcome, attempt.reason, attempt.finished) == (1, None, None, None)
    assert (attempt.renewed, attempt.stop_seconds, attempt.started_at, attempt.ran) == (0.0, 0.0, 0.0, 0.0)
    assert (attempt.container_id, attempt.service, attempt.project, attempt.scaled) == ("", None, "", None)
    assert (attempt.host_fault, attempt.acted) == (False, False)
    assert msgspec.json.encode(attempt) == ROW


def test_raised_limit_is_of_the_service_where_it_has_one():
    limit = RaisedLimit(container="c", resource=Resource.REPLICAS, before=2.0, after=4.0, time=1.0)
    assert limit.subject == "c"
    assert msgspec.structs.replace(limit, service="s").subject == "s"
    assert (limit.inverse.before, limit.inverse.after) == (4.0, 2.0)
    further = msgspec.structs.replace(limit, before=4.0, after=8.0)
    assert (further.repeat_after(limit).before, further.repeat_after(limit).after) == (2.0, 8.0)


def test_empty_snapshot_names_no_attempt_and_no_order():
    snapshot = LedgerSnapshot(version=7)
    assert (snapshot.attempts, snapshot.running_attempts, snapshot.ended_attempts) == ((), (), ())
    assert (snapshot.approval, snapshot.manual_stop) == (None, None)
    assert (snapshot.alerted_container, snapshot.seal) == ("", "")
