"""Who may act from the dashboard that `hemostat tui` opens, and as whom."""

import pytest

from hemostat.cli.operator.decisions import find_user


@pytest.mark.parametrize(
    ("options", "acts"), [((), True), (("--read-only",), False), (("--demo",), False)], ids=str
)
def test_only_a_live_writable_dashboard_can_act(hemostat, monkeypatch, options, acts):
    models = []
    monkeypatch.setattr("hemostat.tui.run", lambda model: models.append(model) or 0)
    monkeypatch.setattr("hemostat.supervisor.die_with_parent", lambda _: None)
    assert hemostat("tui", "--served", "1", *options).code == 0
    (model,) = models
    assert (model.act is not None) is acts
    assert not acts or model.act._by == find_user()


@pytest.mark.parametrize(
    ("options", "opens"),
    [((), True), (("--read-only",), False), (("--served", "1"), False), (("--demo",), False)],
    ids=str,
)
def test_only_a_live_writable_terminal_opens_shells(hemostat, monkeypatch, options, opens):
    models = []
    monkeypatch.setattr("hemostat.tui.run", lambda model: models.append(model) or 0)
    monkeypatch.setattr("hemostat.tui.find_obstacle", lambda *_, **__: None)
    monkeypatch.setattr("hemostat.supervisor.die_with_parent", lambda _: None)
    monkeypatch.setattr("hemostat.tui.served.limit_process", lambda: None)
    assert hemostat("tui", *options).code == 0
    assert (models[0].shell is not None) is opens
