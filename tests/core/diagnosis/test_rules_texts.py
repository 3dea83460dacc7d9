"""What users read about each alert. `alerts.json` has the alerts, and the diagnosis expected of each."""

import json
from pathlib import Path

import pytest

from hemostat.core.diagnosis.rules import Verdict, diagnose
from hemostat.events import Action, Container, Diagnosis, Evidence, Kind
from tests.support.samples import alert

ALERTS = json.loads(Path(__file__).with_name("alerts.json").read_text("utf-8"))


@pytest.mark.parametrize("row", ALERTS, ids=[f"{n}-{row['alert']['kind']}" for n, row in enumerate(ALERTS)])
def test_alert_has_its_diagnosis(row):
    fields = row["alert"]
    evidence = tuple(Evidence(name, value) for name, value in fields["facts"].items())
    container = Container(id=fields.get("id", "c"), name="c", labels=fields.get("labels", {}))
    action = row["action"] and Action(row["action"])
    diagnosis = Diagnosis(cause=row["cause"], confidence=row["confidence"], reasons=tuple(row["reasons"]))
    assert diagnose(
        alert(
            kind=Kind(fields["kind"]),
            window=10.0,
            container=container,
            root=fields.get("root", ""),
            occurrence=fields.get("occurrence", 1),
            evidence=evidence,
        )
    ) == Verdict(action, diagnosis, row.get("parameters", {}))
