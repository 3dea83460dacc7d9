"""What people tell the responders, as they type it."""

import os
from pathlib import Path

import pytest

from hemostat.adapters.redis import EmbeddedRedis, RedisControls, connect
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.ledger.controls import ApprovalAnswer
from tests.support.approvals import PENDING_APPROVAL
from tests.support.samples import event, stats

pytestmark = pytest.mark.redis


@pytest.fixture
def controls(bus):
    client = connect(EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"])).url)
    yield RedisControls(client)
    client.close()


def test_pause_and_resume_accept_a_name(hemostat, controls):
    said = hemostat("pause", "--for", "30m", "--by", "ann", "--reason", "deploy")
    assert (said.code, said.out) == (0, "paused: everything, for 30 min\n")
    (pause,) = controls.read_controls().pauses.values()
    assert (pause.by, pause.reason, round(pause.until - pause.at)) == ("ann", "deploy", 1800)
    assert hemostat("resume").code == 0
    assert controls.read_controls().pauses == {}


def test_resume_without_a_pause_fails(hemostat, controls):
    said = hemostat("resume", "--container", "web")
    assert (said.code, said.out) == (1, "no pause was in effect for web\n")


def test_pause_with_an_invalid_duration_is_refused(hemostat, controls):
    said = hemostat("pause", "--for", "a while")
    assert said.code == 2
    assert "is not a duration such as 10s" in said.err


def test_pending_approvals_are_listed_and_answered(hemostat, controls):
    controls.request_approval(PENDING_APPROVAL)
    assert "a1b2c3" in hemostat("approvals").out
    assert [each["id"] for each in hemostat("approvals", "--json").json] == ["a1b2c3"]
    said = hemostat("approve", "a1b2c3", "--by", "ann")
    assert (said.code, said.out) == (0, "approved: restart of web\n")
    assert controls.list_approvals()[0].answer is ApprovalAnswer.APPROVED
    assert hemostat("approvals").out == "no action is waiting for approval\n"


def test_withdrawn_approval_is_refused_with_the_reason(hemostat, controls):
    controls.request_approval(PENDING_APPROVAL)
    controls.withdraw_approval(
        PENDING_APPROVAL.key, by="responder@a", reason="tried before", now=PENDING_APPROVAL.asked + 1
    )
    assert hemostat("approvals").out == "no action is waiting for approval\n"
    said = hemostat("approve", "a1b2c3", "--by", "bob")
    assert (said.code, said.out) == (1, "too late: HemoStat withdrew it: tried before\n")


def test_second_answer_is_refused_with_the_first_one(hemostat, controls):
    controls.request_approval(PENDING_APPROVAL)
    hemostat("reject", "a1b2c3", "--by", "ann", "--reason", "not now")
    said = hemostat("approve", "a1b2c3", "--by", "bob")
    assert said.code == 1
    assert said.out.startswith("too late: rejected by ann at ")


def test_unknown_approval_id_is_refused(hemostat, controls):
    said = hemostat("approve", "nothing")
    assert said.code == 2
    assert said.err == "hemostat: no pending approval has the id 'nothing': see: hemostat approvals\n"


def test_circuit_breaker_is_reset_by_name(hemostat, controls):
    assert hemostat("reset", "--container", "web", "--ahead").out == "breaker closed: web\n"
    assert controls.read_controls().get_reset_time("web") > 0


def test_controls_fail_without_redis(hemostat):
    for command in ("pause", "resume"):
        said = hemostat(command)
        assert said.code == 3
        assert f"before the start: hemostat {command} --ahead" in said.err
    assert hemostat("pause", "--container", "web").code == 3


def test_pause_ahead_of_the_first_start_is_stored(hemostat, tmp_path):
    said = hemostat("pause", "--ahead", "--by", "ann")
    stored = f"HemoStat is not running, the pause is stored in {tmp_path / 'state'}"
    assert (said.code, said.out) == (0, f"paused: everything, until: hemostat resume; {stored}\n")
    redis = EmbeddedRedis(tmp_path / "state")
    assert not redis.is_alive()
    client = connect(redis.ensure_running())
    (pause,) = RedisControls(client).read_controls().pauses.values()
    assert pause.by == "ann"
    client.close()
    redis.shut_down_if_unused()
    assert hemostat("resume", "--ahead").out == "resumed: everything\n"
    assert not redis.is_alive()


def test_pause_ahead_leaves_a_used_redis_running(hemostat, controls, tmp_path):
    assert "not running" not in hemostat("pause", "--ahead").out
    assert EmbeddedRedis(tmp_path / "state").is_alive()


@pytest.mark.parametrize("command", ["pause", "reset"])
def test_unknown_container_name_is_refused(hemostat, controls, bus, command):
    bus.publish_live(
        [event(stats(container=build_reference("c", name, "", {}))) for name in ("shop_db_1", "web")], ttl=60
    )
    said = hemostat(command, "--container", "shop_dbb_1")
    assert said.code == 2
    assert said.err == "hemostat: no watched container is named 'shop_dbb_1': did you mean shop_db_1?\n"
    assert controls.read_controls().pauses == {}
    assert hemostat(command, "--container", "web").code == 0


def test_name_that_does_not_exist_yet_is_paused_with_ahead(hemostat, controls):
    said = hemostat("pause", "--container", "later")
    assert said.code == 2
    assert said.err.endswith("see: hemostat status; --ahead accepts a name that does not exist yet\n")
    assert controls.read_controls().pauses == {}
    assert hemostat("pause", "--container", "later", "--ahead").code == 0
    assert [*controls.read_controls().pauses] == ["later"]


def test_resume_and_approve_offer_near_names(hemostat, controls):
    hemostat("pause", "--container", "shop_db_1", "--ahead")
    said = hemostat("resume", "--container", "shop_dbb_1")
    assert said.out == "no pause was in effect for shop_dbb_1: did you mean shop_db_1?\n"
    controls.request_approval(PENDING_APPROVAL)
    assert hemostat("approve", "a1b2c4").err.endswith("did you mean a1b2c3?\n")


@pytest.mark.parametrize("time", ["0s", "0"])
def test_pause_of_zero_seconds_is_refused(hemostat, controls, time):
    said = hemostat("pause", "--for", time)
    assert said.code == 2
    assert controls.read_controls().pauses == {}
