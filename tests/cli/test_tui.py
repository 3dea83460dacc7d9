"""Who may act from the dashboard that `hemostat tui` opens, and as whom."""

import pytest

from hemostat.cli.operator.decisions import find_user
from hemostat.errors import EngineError


@pytest.mark.parametrize(
    ("options", "acts"), [((), True), (("--read-only",), False), (("--demo",), False)], ids=str
)
def test_only_a_live_writable_dashboard_can_act(hemostat, monkeypatch, options, acts):
    models = []
    monkeypatch.setattr("hemostat.tui.run", lambda model: models.append(model) or 0)
    monkeypatch.setattr("hemostat.supervisor.child_process.die_with_parent", lambda _: None)
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
    monkeypatch.setattr("hemostat.supervisor.child_process.die_with_parent", lambda _: None)
    monkeypatch.setattr("hemostat.tui.served.limit_process", lambda: None)
    assert hemostat("tui", *options).code == 0
    assert (models[0].find_shell is not None) is opens


class NamedEngine:
    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        self.name = "closed"


@pytest.mark.parametrize(
    ("engines", "expected"),
    [
        ('{"web1": "ssh://web1", "web2": "ssh://web2"}', ["web1", "web2", "it runs on web9"]),
        ("", ["own", "own", "own"]),
    ],
)
def test_dashboard_opens_the_engine_of_a_host(hemostat, environ, monkeypatch, engines, expected):
    """An engine that only `host` names is asked about every host."""
    environ.setenv("HEMOSTAT_ENGINES" if engines else "HEMOSTAT_HOST", engines or "own")
    opened: list[NamedEngine] = []
    results: list[str] = []

    def connect(settings):
        opened.append(NamedEngine(settings.host_name))
        return opened[-1]

    def look(model) -> int:
        for host in ("web1", "web2", "web9"):
            try:
                results.append(model.engine(host).name)
            except EngineError as error:
                results.append(str(error).partition(",")[0])
        return 0

    monkeypatch.setattr("hemostat.app.engines.open_engine", connect)
    monkeypatch.setattr("hemostat.tui.run", look)
    monkeypatch.setattr("hemostat.supervisor.child_process.die_with_parent", lambda _: None)
    assert hemostat("tui", "--served", "1").code == 0
    assert results == expected
    assert {each.name for each in opened} == {"closed"}


def test_shell_of_a_host_without_an_engine_says_so(hemostat, environ, monkeypatch):
    environ.setenv("HEMOSTAT_ENGINES", '{"web1": "ssh://web1"}')
    monkeypatch.setattr("hemostat.tui.find_obstacle", lambda *_, **__: None)

    def look(model) -> int:
        with pytest.raises(EngineError, match="runs on web9, whose engine is not configured here"):
            model.find_shell("web9").find_obstacle("id", "app")
        return 0

    monkeypatch.setattr("hemostat.tui.run", look)
    assert hemostat("tui").code == 0
