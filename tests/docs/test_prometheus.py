"""The alert rules and the dashboard use existing metrics, in expressions that Prometheus accepts."""

import json
import re

import pytest

from hemostat.core.metrics.definitions import MEASURES, Form, Measure
from tests.docs.made import ROOT
from tests.support.prometheus_tools import promtool

PROMETHEUS = ROOT / "docs/prometheus"
DASHBOARD = json.loads((ROOT / "docs/grafana/hemostat.json").read_text("utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
RULES = (PROMETHEUS / "hemostat.rules.yml").read_text("utf-8")
NAMES = r"\bhemostat_\w+"


def series(measure: Measure) -> set[str]:
    if measure.form is not Form.HISTOGRAM:
        return {measure.name}
    return {measure.name + suffix for suffix in ("_bucket", "_sum", "_count")}


KNOWN = set().union(*map(series, MEASURES))


@pytest.mark.parametrize("text", [RULES, "\n".join(EXPRESSIONS)], ids=["rules", "dashboard"])
def test_every_queried_metric_exists(text):
    asked = set(re.findall(NAMES, text))
    assert len(asked) > 8
    assert asked - KNOWN == set()


def test_the_rules_and_the_configuration_are_valid():
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(PROMETHEUS / "hemostat.rules.yml"))
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_alert_rules_fire_as_expected():
    promtool("test", "rules", str(PROMETHEUS / "hemostat.test.yml"))


def test_every_dashboard_expression_is_valid(tmp_path):
    """As rules, of which promtool says so."""
    plain = [re.sub(r"\$__(rate_interval|range)", "5m", each).replace("$host", ".*") for each in EXPRESSIONS]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(plain)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_panels_do_not_overlap():
    places = {
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    }
    sizes = [panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in DASHBOARD["panels"]]
    assert len(places) == sum(sizes)
    assert max(x for x, _ in places) < 24
