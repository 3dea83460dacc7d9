"""Orders at the command line on real containers: each is carried out once, within limits, and its result is
respected."""

import json

import pytest

from tests.e2e.everything import Everything, watched
from tests.support.engine_fixtures import OBEDIENT, eventually
from tests.support.lab.command import run

pytestmark = [pytest.mark.docker, pytest.mark.redis]


def order(everything: Everything, *arguments: str):
    """Return the exit code and the answers."""
    done = run("order", *arguments, "--yes", "--json", env=everything.env)
    return done.returncode, json.loads(done.stdout)


def test_ordered_restart_is_executed_and_published(everything, make_container, docker_engine):
    name = watched(everything, make_container, docker_engine)
    before = docker_engine.inspect(name).started_at
    code, [answer] = order(everything, "restart", name, "--reason", "it is slow", "--by", "ann@h")
    assert (code, answer["outcome"], answer["reason"]) == (0, "healed", "verified")
    assert docker_engine.inspect(name).started_at > before
    told = everything.events(name)
    assert [each["type"] for each in told] == ["order", "remediation_complete"], "no failure was seen in it"
    assert {each["incident"] for each in told} == {answer["incident"]}
    assert everything.status()["incidents"] == []


@pytest.mark.parametrize("policy", ["no", "always"])
def test_ordered_stop_lasts_until_an_ordered_start(policy, everything, make_container, docker_engine):
    """Docker's own policy would restart a process that dies, and HemoStat one that crashes: this one exits
    with 7."""
    stubborn = ("sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done")
    name = docker_engine.inspect(make_container(stubborn, restart_policy=policy)).ref.name
    eventually(lambda: name in {each["name"] for each in everything.status()["containers"]})
    code, [answer] = order(everything, "stop", name)
    assert (code, answer["outcome"]) == (0, "healed")
    info = docker_engine.inspect(name)
    assert (info.status, info.exit_code) == ("exited", 7)
    # What the monitor saw of the stop, it saw before it sees this one crash.
    other = watched(everything, make_container, docker_engine)
    docker_engine.exec(other, ["kill", "-USR1", "1"])
    eventually(lambda: everything.outcomes(other) == ["healed"], seconds=40)
    assert docker_engine.inspect(name).status == "exited"
    assert everything.outcomes(name) == ["healed"]
    code, [answer] = order(everything, "start", name)
    assert (code, answer["outcome"]) == (0, "healed")
    assert docker_engine.inspect(name).is_running


def test_order_for_a_protected_container_is_refused(everything, make_container, docker_engine):
    made = make_container(OBEDIENT, labels={"hemostat.protect": "true"})
    before = docker_engine.inspect(made)
    eventually(lambda: before.ref.name in {each["name"] for each in everything.status()["containers"]})
    code, [answer] = order(everything, "stop", before.ref.name)
    assert (code, answer["outcome"], answer["reason"]) == (1, "refused", "protected")
    assert docker_engine.inspect(made).started_at == before.started_at
    assert docker_engine.inspect(made).is_running


def test_one_of_two_responders_executes_an_order(everything, make_container, docker_engine):
    from tests.support.lab.command import start

    second = start("respond", env=everything.env)
    try:
        responders = {"responder"}
        eventually(
            lambda: sum(each["role"] in responders for each in everything.status()["roles"]) == 2,
        )
        name = watched(everything, make_container, docker_engine)
        with_start = docker_engine.inspect(name)
        code, [answer] = order(everything, "restart", name)
        assert (code, answer["outcome"]) == (0, "healed")
        assert docker_engine.inspect(name).started_at > with_start.started_at
        safety = everything.status()["safety"]
        ((_, host),) = safety.items()
        assert host["containers"][name]["orders"]["used"] == 1
    finally:
        second.terminate()
        second.communicate(timeout=30)


def test_pause_blocks_orders_and_is_published(everything, make_container, docker_engine):
    name = watched(everything, make_container, docker_engine)
    run("pause", "--by", "bob", "--reason", "deploy", env=everything.env)
    code, [answer] = order(everything, "restart", name)
    assert (code, answer["reason"]) == (1, "paused")
    run("resume", "--by", "bob", env=everything.env)
    assert order(everything, "restart", name)[0] == 0
