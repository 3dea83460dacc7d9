"""Replay files: written events are read again, the state at a moment, and files that are no replays."""

import json
from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from hemostat.core.history import replay
from hemostat.core.history.replay import encode_event_line, encode_header, parse
from hemostat.errors import DecodeError
from hemostat.events import DURABLE, MAX_TIME, TYPES, Container, Diagnosis, encode
from tests.support.replays import make_replay
from tests.support.samples import ALL, NOW, WEB, alert, complete, event, heartbeat, stats

HEAD = encode_header("h", NOW)


def test_every_type_of_event_is_read_back_unchanged():
    told = make_replay(*ALL, begin=NOW - 1)
    assert list(told.iterate_between(NOW - 1, NOW + 10, tuple(TYPES))) == list(ALL)
    assert (told.host, told.begin, told.end, len(told)) == ("h", NOW - 1, NOW + 5, len(ALL))


def test_events_are_ordered_by_arrival():
    """The clocks of hosts differ, and a replay shows events as they arrived."""
    early, late = event(alert(), 100.0), event(complete(), 1.0)
    told = parse([HEAD, encode_event_line(late, NOW + 2), encode_event_line(early, NOW + 1)])
    assert list(told.iterate_between(NOW, NOW + 5, DURABLE)) == [early, late]
    assert told.end == NOW + 2


def test_range_includes_its_end():
    told = make_replay(event(alert(), 1.0), event(complete(), 2.0))
    assert [each.time - NOW for each in told.iterate_between(NOW + 1, NOW + 2, DURABLE)] == [2.0]
    assert list(told.iterate_between(NOW, NOW + 2, ("heartbeat",))) == []


def test_recent_events_are_those_that_had_arrived():
    told = make_replay(*(event(alert(since=NOW + n), n) for n in range(5)))
    assert [each.time - NOW for each in told.find_recent_events("health_alert", 2, NOW + 3)] == [2.0, 3.0]
    assert told.find_recent_events("health_alert", 2, NOW - 1) == []
    assert told.find_recent_events("false_alarm", 2, NOW + 3) == []


def test_last_values_are_one_for_each_name_and_expire():
    first, second, other = event(stats(), 1.0), event(stats(cpu=50.0), 2.0), event(heartbeat(), 2.0)
    told = make_replay(first, second, other)
    assert told.find_last_values("container_stats", NOW + 1.5) == [first]
    assert told.find_last_values("container_stats", NOW + 2) == [second]
    assert told.find_last_values("heartbeat", NOW + 2) == [other]
    assert told.find_last_values("container_stats", NOW + 2 + replay.LIVE_SECONDS) == []


def test_points_of_a_container_end_at_the_present():
    told = make_replay(*(event(stats(cpu=float(n)), n) for n in range(400)))
    assert [point.cpu for point in told.find_points("h", "web", NOW + 2)] == [0.0, 1.0, 2.0]
    assert len(told.find_points("h", "web", NOW + 399)) == 300
    assert [point.cpu for point in told.find_points("h", "web", NOW + 2, 2)] == [1.0, 2.0]
    assert [point.cpu for point in told.find_points("h", "web", NOW)] == [0.0]
    assert told.find_points("h", "db", NOW + 399) == []
    assert told.find_points("h", "web", NOW + 2000) == []


def test_incidents_are_at_their_first_alert_in_the_range():
    told = make_replay(
        event(alert(), -5.0, incident="before"),
        event(alert(), 1.0, incident="a"),
        event(alert(occurrence=2), 2.0, incident="a"),
        event(alert(), 3.0, incident="b"),
    )
    assert [at - NOW for at in told.incident_starts] == [1.0, 3.0]


def test_secrets_are_masked_and_identifiers_are_not():
    """A replay file is passed on, so secrets are masked again, whoever published the event."""
    bare = Container(
        id="c1", name="token=abcdef123456", labels={"hemostat.exec": "x --password=hunter2hunter2"}
    )
    said = Diagnosis(cause="c", confidence=1.0, reasons=("api_key=sk-ant-REDACTED",))
    row = encode_event_line(
        event(complete(container=bare, diagnosis=said, detail="password: correcthorse1")), NOW
    ).decode()
    for secret in ("hunter2hunter2", "sk-ant-REDACTED", "correcthorse1"):
        assert secret not in row
    assert json.loads(row)["event"]["data"]["container"]["name"] == "token=abcdef123456"


def test_masking_changes_nothing_else():
    assert [replay.encode_masked_event(each) for each in ALL] == [encode(each) for each in ALL]


def test_truncated_line_is_dropped_and_reported():
    whole, cut = (
        encode_event_line(event(alert(), 1.0), NOW + 1),
        encode_event_line(event(complete(), 2.0), NOW + 2),
    )
    for end in (1, len(cut) - 1):
        told = parse([HEAD, whole, cut[:end]])
        assert (len(told), told.notes) == (1, ("line 3, the last, is truncated and left out",))


@pytest.mark.parametrize("first", [b"", b"{}\n", b"hello\n", b"\x1f\x8b\x00\n", b'{"format":"x"}\n'])
def test_file_that_is_not_a_replay_is_reported(first):
    with pytest.raises(DecodeError, match="it is not a replay file") as told:
        parse([first])
    assert "hemostat record" in told.value.hint


def test_other_version_is_reported():
    with pytest.raises(DecodeError, match="version 2"):
        parse([HEAD.replace(b'"version":1', b'"version":2')])


@pytest.mark.parametrize(
    "damaged",
    [
        b"{\n",
        b"[]\n",
        b'{"at":1,"event":{}}\n',
        b'{"at":"x","event":{}}\n',
        encode_event_line(event(alert()), 1e300),
        encode_event_line(event(alert()), -1.0),
        encode_event_line(event(alert()), NOW).replace(b'"time":1795480000.0', b'"time":1e15'),
        encode_event_line(event(alert()), NOW).replace(b"health_alert", b"other_alert!"),
    ],
)
def test_damaged_line_is_left_out_and_named(damaged):
    lines = [encode_event_line(event(each), NOW) for each in (alert(), complete())]
    told = parse([HEAD, lines[0], damaged, lines[1]])
    (note,) = told.notes
    assert len(told) == 2
    assert note.startswith("left out: line 3 is damaged: ")
    assert "\n" not in note
    with pytest.raises(DecodeError, match="line 2 is damaged") as error:
        parse([HEAD, damaged])
    assert "\n" not in error.value.message


@pytest.mark.parametrize(("count", "end"), [(2, "1 more damaged line"), (50, "49 more damaged lines")])
def test_many_damaged_lines_are_counted(count, end):
    told = parse([HEAD, *[b"x\n"] * count, encode_event_line(event(alert()), NOW)])
    (note,) = told.notes
    assert len(told) == 1
    assert note.startswith("left out: line 2 is damaged: ")
    assert note.endswith(f", and {end}")


def test_damaged_lines_of_any_number_and_length_need_little_memory():
    lines = [encode_event_line(event(alert()), NOW).replace(b"health_alert", b"x" * 200_000)] * 3
    told = parse([HEAD, *lines, encode_event_line(event(alert()), NOW)])
    assert max(map(len, told.notes)) < 300
    left = iter(range(1 << 20))
    with pytest.raises(DecodeError, match="more than 10000 of its lines are damaged: line 2 is damaged"):
        parse(HEAD if number == 0 else b"\n" for number in left)
    assert next(left) < 20_000


def test_every_event_that_can_be_sent_can_be_replayed():
    latest = msgspec.structs.replace(event(alert()), time=MAX_TIME)
    told = parse([HEAD, encode_event_line(latest, NOW), encode_event_line(latest, latest.time)])
    assert (len(told), told.notes) == (2, ())
    datetime.fromtimestamp(told.end, timezone(timedelta(hours=14))).astimezone(timezone(timedelta(hours=-12)))


def test_event_of_a_clock_ahead_counts_as_received_now():
    ahead = msgspec.structs.replace(event(alert()), time=MAX_TIME)
    header = msgspec.json.decode(HEAD, type=replay.ReplayHeader)
    assert replay.build_replay(header, [ahead], latest=NOW + 5).end == NOW + 5


def test_empty_range_is_valid():
    told = make_replay()
    assert (told.begin, told.end, told.incident_starts) == (NOW, NOW, ())
    assert told.find_points("h", WEB.name, NOW) == []
