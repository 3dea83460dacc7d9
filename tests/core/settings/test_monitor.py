"""What is too much, for one container."""

import pytest

from hemostat.core.detection.healthcheck import HealthcheckState, is_flapping
from hemostat.core.labels.values import OFF_THRESHOLD
from hemostat.core.settings.monitor import (
    LABEL_RANGES,
    THRESHOLD_PARSERS,
    MonitorSettings,
    find_project_mistakes,
    resolve_thresholds,
    should_watch,
)
from hemostat.events import Container


def box(labels: dict[str, str]) -> Container:
    return Container(id="c", name="c", labels=labels)


@pytest.mark.parametrize(
    ("labels", "minded"),
    [
        ({}, True),
        ({"hemostat.enable": "false"}, False),
        ({"hemostat.enable": "OFF"}, False),
        ({"autoheal": "true"}, True),
        ({"autoheal": "false"}, False),
        ({"autoheal": "false", "hemostat.enable": "true"}, True),
    ],
)
def test_a_label_opts_out(labels, minded):
    assert should_watch(box(labels)) is minded


def test_labels_tune_one_container():
    labels = {"hemostat.cpu": "95%", "hemostat.window": "1m", "hemostat.disk": "16MiB"}
    thresholds = resolve_thresholds(MonitorSettings(), box(labels))
    assert (thresholds.cpu, thresholds.window, thresholds.disk) == (95.0, 60.0, 16 << 20)
    assert thresholds.memory == MonitorSettings().memory


@pytest.mark.parametrize("text", ["", "much", "nan", "-5", "0", "inf"])
def test_misspelt_label_does_not_disable_detection(text):
    assert resolve_thresholds(MonitorSettings(), box({"hemostat.cpu": text})) == MonitorSettings()


def test_off_disables_the_threshold():
    assert resolve_thresholds(MonitorSettings(), box({"hemostat.cpu": "off"})).cpu == OFF_THRESHOLD


def test_label_precedes_project_and_global_settings():
    everywhere = MonitorSettings(cpu=80.0, projects={"shop": {"cpu": 90, "window": "30s"}})
    shop = {"com.docker.compose.project": "shop"}
    assert resolve_thresholds(everywhere, box({})).cpu == 80.0
    assert (
        resolve_thresholds(everywhere, box(shop)).cpu,
        resolve_thresholds(everywhere, box(shop)).window,
    ) == (90.0, 30.0)
    assert resolve_thresholds(everywhere, box({**shop, "hemostat.cpu": "95"})).cpu == 95.0


def test_job_may_use_all_its_cpu():
    assert resolve_thresholds(MonitorSettings(), box({"hemostat.job": "true"})).cpu == OFF_THRESHOLD
    assert (
        resolve_thresholds(MonitorSettings(), box({"hemostat.job": "true", "hemostat.cpu": "95"})).cpu == 95.0
    )


def test_invalid_project_setting_is_named():
    found = find_project_mistakes({"shop": {"cpu": 90, "memry": 1, "window": "soon", "loop_deaths": 0}})
    assert [key for key, _ in found] == ["shop.memry", "shop.window", "shop.loop_deaths"]
    assert found[0][1] == "is not a threshold: did you mean memory?"


def test_unknown_setting_lists_the_known_ones():
    ((key, why),) = find_project_mistakes({"shop": {"xyzzy": 1}})
    assert (key, why) == ("shop.xyzzy", f"is not a threshold: use {', '.join(THRESHOLD_PARSERS)}")


def test_every_tunable_is_a_setting():
    assert THRESHOLD_PARSERS.keys() <= set(MonitorSettings.__struct_fields__)


@pytest.mark.parametrize("name", LABEL_RANGES)
@pytest.mark.parametrize("text", ["0", "1", "0s", "1s", "30d", "10000", "9999s"])
def test_label_value_is_limited_to_its_range(name, text):
    label = "hemostat.probe.start_period" if name == "probe_start" else f"hemostat.{name}"
    least, most = LABEL_RANGES[name]
    assert least <= getattr(resolve_thresholds(MonitorSettings(), box({label: text})), name) <= most


def test_label_may_reach_the_operators_value():
    quick = MonitorSettings(window=0.2, loop_window=5.0, flap_changes=50, projects={"shop": {"settle": "0s"}})
    asked = {"hemostat.window": "0s", "hemostat.loop_window": "1s", "hemostat.flap_changes": "999"}
    found = resolve_thresholds(
        quick, box({**asked, "hemostat.settle": "0s", "com.docker.compose.project": "shop"})
    )
    assert (found.window, found.loop_window, found.flap_changes, found.settle) == (0.2, 5.0, 50, 0.0)


def test_project_settings_have_no_range():
    found = resolve_thresholds(
        MonitorSettings(projects={"shop": {"window": "0s"}}), box({"com.docker.compose.project": "shop"})
    )
    assert found.window == 0.0


@pytest.mark.parametrize("changes", ["1", "3", "20", "10000"])
@pytest.mark.parametrize("window", ["0s", "1m", "10m"])
def test_label_cannot_hide_fast_flapping(changes, window):
    found = resolve_thresholds(
        MonitorSettings(), box({"hemostat.flap_changes": changes, "hemostat.flap_window": window})
    )
    every = [1000.0 - 10.0 * number for number in range(100)]
    assert is_flapping(HealthcheckState(changes=tuple(every)), found, 1000.0)
    assert not is_flapping(HealthcheckState(changes=()), found, 1000.0)
