"""Replay files for tests."""

from hemostat.core.history.replay import Replay, encode_event_line, encode_header, parse
from tests.support.samples import NOW


def make_replay(*events, begin=NOW) -> Replay:
    return parse([encode_header("h", begin), *(encode_event_line(each, each.time) for each in events)])
