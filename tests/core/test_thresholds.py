"""What is too much, for one container."""

import pytest

from hemostat.core.label_values import NEVER
from hemostat.core.thresholds import TUNABLE, Thresholds, mistakes, tuned, watched
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
    assert watched(box(labels)) is minded


def test_labels_tune_one_container():
    labels = {"hemostat.cpu": "95%", "hemostat.window": "1m", "hemostat.disk": "16MiB"}
    thresholds = tuned(Thresholds(), box(labels))
    assert (thresholds.cpu, thresholds.window, thresholds.disk) == (95.0, 60.0, 16 << 20)
    assert thresholds.memory == Thresholds().memory


@pytest.mark.parametrize("text", ["", "much", "nan", "-5", "0", "inf"])
def test_a_label_with_a_typing_mistake_blinds_nobody(text):
    assert tuned(Thresholds(), box({"hemostat.cpu": text})) == Thresholds()


def test_off_is_never():
    assert tuned(Thresholds(), box({"hemostat.cpu": "off"})).cpu == NEVER


def test_a_label_wins_over_its_project_and_that_over_the_rest():
    everywhere = Thresholds(cpu=80.0, projects={"shop": {"cpu": 90, "window": "30s"}})
    shop = {"com.docker.compose.project": "shop"}
    assert tuned(everywhere, box({})).cpu == 80.0
    assert (tuned(everywhere, box(shop)).cpu, tuned(everywhere, box(shop)).window) == (90.0, 30.0)
    assert tuned(everywhere, box({**shop, "hemostat.cpu": "95"})).cpu == 95.0


def test_a_job_may_use_all_the_cpu_it_has():
    assert tuned(Thresholds(), box({"hemostat.job": "true"})).cpu == NEVER
    assert tuned(Thresholds(), box({"hemostat.job": "true", "hemostat.cpu": "95"})).cpu == 95.0


def test_what_cannot_be_used_in_a_project_is_named():
    found = mistakes({"shop": {"cpu": 90, "memry": 1, "window": "soon", "loop_deaths": 0}})
    assert [key for key, _ in found] == ["shop.memry", "shop.window", "shop.loop_deaths"]
    assert found[0][1] == "is no threshold: did you mean memory?"


def test_where_nothing_is_near_it_is_said_what_there_is():
    ((key, why),) = mistakes({"shop": {"xyzzy": 1}})
    assert (key, why) == ("shop.xyzzy", f"is no threshold: there are {', '.join(TUNABLE)}")


def test_everything_that_can_be_tuned_is_a_setting():
    assert TUNABLE.keys() <= set(Thresholds.__struct_fields__)
