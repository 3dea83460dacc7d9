"""Rows in Redis that cannot be read keep nothing down, and a pause among them holds."""

import json

import pytest

from hemostat.events import Reason, RemediationComplete

pytestmark = [pytest.mark.docker, pytest.mark.redis]
NULL_LEASE = (
    '{"key":"x:1:0","container":"t1","action":"restart","time":1795480000.0,"by":"responder@h","lease":null}'
)


def check(scene, name: str) -> dict[str, str]:
    checks = json.loads(scene.run("doctor", "--json").stdout)["checks"]
    return next(each for each in checks if each["name"] == name)


def test_unreadable_rows_block_no_restart(scene):
    scene.make_victim()
    scene.start()
    redis, ledger = scene.running._client.raw, f"hemostat:ledger:{scene.group}"
    victim = scene.lab["victim"].name
    for key in (f"{ledger}:running", f"{ledger}:of:{victim}", f"{ledger}:scaled", "hemostat:approvals"):
        redis.hset(key, "hostile", NULL_LEASE)
        redis.hset(key, b"\xff", b"\xff\x1b[2J")
    redis.lpush(f"{ledger}:ended", NULL_LEASE, "9" * 100_000)
    redis.hset("hemostat:control:resets", "*", "nan")
    scene.crash()
    scene.await_healed()
    assert scene.run("status").returncode == 0
    assert check(scene, "Redis rows")["level"] == "failure"
    listed = json.loads(scene.run("repair", "--json").stdout)
    assert {row["key"] for row in listed} >= {f"{ledger}:running", "hemostat:control:resets"}
    assert scene.run("repair", "--clear").returncode == 2
    assert scene.run("repair", "--clear", "--yes").returncode == 0
    assert check(scene, "Redis rows")["level"] == "ok"


def test_unreadable_global_pause_applies_until_it_is_resumed(scene):
    scene.make_victim()
    scene.start()
    scene.running._client.raw.hset("hemostat:control:pauses", "*", '{"by":')
    scene.crash()

    def is_held(event) -> bool:
        done = event.data
        return isinstance(done, RemediationComplete) and done.reason is Reason.PAUSED

    held = scene.await_event(is_held)
    assert "cannot be read" in held.data.detail
    assert not scene.lab.state("victim")["Running"]
    assert scene.run("repair", "--clear", "--yes").returncode == 0
    scene.await_healed()
