"""Labels with mistakes: which of them are HemoStat's, which label was meant, and what is protected."""

import pytest

from hemostat.core.labels import mistakes
from hemostat.core.labels.container_ref import mask_labels
from hemostat.core.labels.definitions import LABELS
from hemostat.core.labels.mistakes import (
    MAX_MISTAKES,
    explain_protection,
    find_mistakes,
    find_nearest_label,
    is_meant_for_hemostat,
)
from hemostat.core.remediation import policy
from hemostat.core.remediation.windows import NO_WINDOWS
from hemostat.core.settings.monitor import should_watch
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Reason


def box(**labels: str) -> Container:
    return Container(
        id="c", name="web", labels={name.replace("__", "."): text for name, text in labels.items()}
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("hemostat.protected", "hemostat.protect"),
        ("hemostat.enabel", "hemostat.enable"),
        ("hemostat.windw", "hemostat.window"),
        ("hemostat.stopTimeout", "hemostat.stop_timeout"),
        ("hemostat.depends-on", "hemostat.depends_on"),
        ("Hemostat.Enable", "hemostat.enable"),
        ("HEMOSTAT_PROTECT", "hemostat.protect"),
        ("hemostat_enable", "hemostat.enable"),
        ("hemostat-enable", "hemostat.enable"),
        ("io.hemostat.enable", "hemostat.enable"),
        ("hemo.enable", "hemostat.enable"),
        ("haemostat.protect", "hemostat.protect"),
        ("hemostat", "hemostat.enable"),
        ("hemostat.enable ", "hemostat.enable"),
        ("hemo-stat.enable", "hemostat.enable"),
        ("hemostatEnable", "hemostat.enable"),
        ("hemostats.protect", "hemostat.protect"),
        ("hemostat.protect:true", "hemostat.protect"),
        ("Autoheal", "autoheal"),
        ("autoheal.stop.timout", "autoheal.stop.timeout"),
        ("hemostat.xyzzy", ""),
        ("hemostat." + "x" * 100_000, ""),
    ],
)
def test_nearest_label_is_named(name, meant):
    assert find_nearest_label(name) == meant
    assert is_meant_for_hemostat(name)


@pytest.mark.parametrize(
    "name",
    [
        *("maintainer", "protect", "enable", "traefik.enable", "traefik.http.routers.hemostat.rule"),
        *(
            "com.docker.compose.service",
            "com.example.hemostatic.forceps",
            "hemostatic.forceps",
            "hemo.log",
            "hemo.dialysis.enable",
        ),
        *("autoheal-app", "autoheal.monitor.enable", "hemostat-version", "io.x.y.z.hemostat.enable"),
        *("", ".", "x" * 8_000_000),
    ],
)
def test_labels_of_other_software_are_not_errors(name):
    assert find_nearest_label(name) is None
    assert find_mistakes({name: "true"}) == ()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("hemostat.windw", "1m", "label hemostat.windw is unknown: did you mean hemostat.window?"),
        ("hemostat.xyzzy", "1", "label hemostat.xyzzy is unknown"),
        ("hemostat.protect", "y", "label hemostat.protect cannot be read: 'y' is neither true nor false"),
        ("hemostat.cpu", "lots", "'lots' is not a percentage such as 90, nor off"),
        ("hemostat.probe", "http://app:8080/", "without a host"),
        ("hemostat.exec", "sh -c 'x", "is not a command: No closing quotation"),
        ("hemostat.actions", "restart,reboot", "'reboot' is not one of"),
        ("hemostat.job", "\x1b[2J", r"'\x1b[2J' is neither"),
        ("hemostat.log", "9" * 400, "is longer than 64 characters"),
    ],
)
def test_label_error_is_described_in_words(name, text, said):
    (mistake,) = find_mistakes({name: text})
    assert said in str(mistake)
    assert str(mistake).isprintable()
    assert len(str(mistake)) < 300


@pytest.mark.parametrize("name", LABELS)
def test_label_with_its_example_has_no_error(name):
    assert find_mistakes({name: LABELS[name].example}) == ()


def test_labels_of_tests_and_demos_have_no_errors():
    names = ("hemostat.demo", "hemostat.demo.owner", "hemostat.test", "hemostat.scenario", "hemostat.replica")
    assert find_mistakes(dict.fromkeys(names, "1a2b")) == ()


def test_number_of_reported_errors_is_bounded():
    assert len(find_mistakes({f"hemostat.x{number}": "" for number in range(1000)})) == MAX_MISTAKES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("hemostat.protected", "true"), ("hemostat.protect", "y"), ("hemostat.protect", " true")),
        *(("hemostat.protect", ""), ("hemostat.protect", "9" * 400), ("hemostat.enable", "n")),
        *(("hemostat.enable", "disabled"), ("hemostat.enabel", "false"), ("hemostat.windw", "1m")),
        *(("hemostat.cpu", "lots"), ("hemostat.probe", "http://app:8080/"), ("autoheal", "nope")),
        *(("Hemostat.Enable", "false"), ("hemostat_enable", "false"), ("hemostat.actions", "reboot")),
        *(("hemostat.min_healthy", "\u00b2"), ("hemostat.stop_timeout", "3650d")),
    ],
)
def test_container_with_a_label_error_is_watched_only(name, text):
    container = Container(id="c", name="web", labels={name: text})
    assert should_watch(container)
    refused = policy.refuse_forbidden(container, Action.RESTART, ResponderSettings())
    assert refused is not None
    assert refused.reason is Reason.PROTECTED


def test_unreadable_mode_requires_approval():
    assert explain_protection({"hemostat.mode": "dryrun"}) == ""
    for text, mode in (("dryrun", "approve"), (" Auto ", "auto")):
        container = box(hemostat__mode=text)
        assert policy.find_strictest_mode(container, Action.RESTART, ResponderSettings(), NO_WINDOWS) == mode


def test_orders_are_blocked_only_by_protection_labels():
    assert (
        policy.refuse_forbidden(box(hemostat__windw="1m"), Action.RESTART, ResponderSettings(), ordered=True)
        is None
    )
    assert policy.refuse_forbidden(
        box(hemostat__protected="true"), Action.RESTART, ResponderSettings(), ordered=True
    )
    assert policy.refuse_forbidden(
        box(hemostat__protect="y"), Action.RESTART, ResponderSettings(), ordered=True
    )


def test_masked_value_counts_as_valid():
    seen = mask_labels(
        box(hemostat__probe="http://:80/?password=hunter2", hemostat__exec="db --password 'hunter2")
    )
    assert "hunter2" not in str(seen)
    assert find_mistakes(seen.labels) == ()


def test_value_that_looks_masked_protects():
    assert explain_protection({"hemostat.protect": "[redacted: password]"})
    assert explain_protection({"hemostat.windw": "[redacted: password]"})


def test_secret_in_an_unknown_label_is_masked_in_events():
    assert "hunter2" not in str(mask_labels(box(hemostat__exce="mysql --password=hunter2")))


def test_protection_check_reads_few_values(monkeypatch):
    judged = []
    judge = mistakes._find_mistake
    monkeypatch.setattr(mistakes, "_find_mistake", lambda *label: judged.append(label) or judge(*label))
    assert mistakes.explain_protection({"hemostat.cpu": "lots", "hemostat.memory": "lots"})
    assert judged == [("hemostat.cpu", "lots")]
