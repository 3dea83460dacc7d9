"""`hemostat evidence`: what is stored about an incident, for people and for programs."""

import os
from pathlib import Path

import msgspec
import pytest

from hemostat.adapters.redis import EmbeddedRedis, RedisEvidence, connect
from hemostat.cli.history.evidence import format_snapshot
from hemostat.core.evidence.build import build_snapshot
from hemostat.core.evidence.snapshot import ContainerDetails, HealthcheckRun, MetricPoint, decode
from hemostat.core.model import ContainerInfo
from hemostat.events import Container
from tests.support.samples import NOW, WEB, alert, event, needed

KEPT = build_snapshot(
    needed(),
    ContainerInfo(ref=WEB, status="exited", exit_code=1),
    now=NOW,
    log="out of cheese\n\x1b[2Jdone\n",
    processes=["serve"],
    details=ContainerDetails(
        command=("serve",),
        environment={"API_KEY": "abc"},
        mounts=("/data:ro",),
        checks=(HealthcheckRun(time=NOW, exit_code=1, output="refused"),),
    ),
    samples=[MetricPoint(NOW, 12.5, 1 << 20, 2048, 512), MetricPoint(NOW + 1, None, None)],
    missing={"processes": "timed out"},
)


def test_every_part_of_the_evidence_is_shown():
    shown = list(format_snapshot(KEPT))
    assert "web  exited, no. 1, before restart" in shown[0]
    assert "  exit code 1" in shown
    assert {"  exited, exit code 1", "  environment API_KEY=[redacted: key]", "  mount /data:ro"} <= set(
        shown
    )
    assert {"  out of cheese", "  processes: timed out"} <= set(shown)
    assert any(line.endswith("failed with 1: refused") for line in shown)
    assert any(line.endswith("cpu 12.5 % memory 1.0 MiB received 2.0 KiB/s sent 512 B/s") for line in shown)


def test_stored_evidence_is_printed(bus, hemostat):
    server = EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"]))
    RedisEvidence(connect(server.url)).put("i1", KEPT)
    assert "out of cheese" in hemostat("evidence", "i1").out
    assert decode(hemostat("evidence", "i1", "--json").out.encode()) == KEPT


@pytest.mark.parametrize("name", ["web", "i1", "i"])
def test_evidence_is_found_by_container_and_prefix(bus, hemostat, name):
    server = EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"]))
    RedisEvidence(connect(server.url)).put("i17", KEPT)
    bus.publish([event(alert(), incident="i17"), event(alert(), 5.0, incident="i18")])
    assert "out of cheese" in hemostat("evidence", name).out


def test_name_of_a_container_precedes_the_beginning_of_an_id(bus, hemostat):
    server = EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"]))
    evidence_store = RedisEvidence(connect(server.url))
    for incident, log in (("a1", "log of web"), ("web2", "log of other")):
        evidence_store.put(incident, msgspec.structs.replace(KEPT, log=log))
    other = alert(container=Container(id="c9", name="other"))
    bus.publish([event(alert(), incident="a1"), event(other, 5.0, incident="web2")])
    assert "log of web" in hemostat("evidence", "web").out


def test_evidence_as_json_has_no_control_characters(bus, hemostat):
    """The output is no terminal here, and may be shown on one later."""
    server = EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"]))
    kept = msgspec.structs.replace(KEPT, log="invoice \u202egpj.exe\u2066 \x9b2J\x7f é")
    RedisEvidence(connect(server.url)).put("i1", kept)
    told = hemostat("evidence", "i1", "--json").out
    assert told.removesuffix("\n").isprintable()
    assert "é" in told
    assert decode(told.encode()) == kept


def test_incident_without_evidence_is_reported(bus, hemostat):
    code, out, err = hemostat("evidence", "i9")
    assert (code, out) == (1, "")
    assert err == "hemostat: no evidence is stored for incident 'i9': see: hemostat events\n"
