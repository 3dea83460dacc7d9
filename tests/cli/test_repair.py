"""`hemostat repair`: unreadable rows are listed, and removed when a person confirms."""

import base64
import os
from pathlib import Path

import pytest

from hemostat.adapters.redis import EmbeddedRedis, RedisControls, RedisLedger, connect
from hemostat.core.ledger.controls import Pause

pytestmark = pytest.mark.redis


@pytest.fixture
def redis(bus):
    client = connect(EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"])).url)
    yield client
    client.close()


def test_readable_rows_are_not_listed(hemostat, redis):
    RedisControls(redis).pause("web", Pause(by="ann", at=1.0))
    assert hemostat("repair").out == "all rows are readable\n"
    assert hemostat("repair", "--clear", "--json").json == []


def test_unreadable_rows_are_listed_and_removed_on_request(hemostat, redis):
    redis.raw.hset("hemostat:ledger:h:running", "k1", '{"lease":null}')
    redis.raw.hset("hemostat:approvals", "hostile", b"\xff\x1b[2J")
    ledger = RedisLedger(redis)
    ledger.read("h", "web")
    ledger.check("h")
    said = hemostat("repair")
    assert said.code == 0
    assert "set aside" in said.out
    assert "in place" in said.out
    assert "\x1b" not in said.out
    rows = {row["key"]: row for row in hemostat("repair", "--json").json}
    assert base64.b64decode(rows["hemostat:ledger:h:running"]["raw"]) == b'{"lease":null}'
    refused = hemostat("repair", "--clear")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert "Redis rows" in hemostat("doctor").out
    assert hemostat("repair", "--clear", "--yes").code == 0
    assert hemostat("repair").out == "all rows are readable\n"


def test_clearing_an_unreadable_pause_resumes_and_is_published(hemostat, redis, bus):
    redis.raw.hset("hemostat:control:pauses", "*", "nonsense")
    assert "cannot be read" in RedisControls(redis).read_controls().describe_unreadable_pauses(1.0)
    hemostat("repair", "--clear", "--yes", "--by", "ann")
    assert RedisControls(redis).read_controls().pauses == {}
    (told,) = bus.read_recent("decision", 5)
    assert (told.data.what, told.data.by) == ("resumed", "ann")
