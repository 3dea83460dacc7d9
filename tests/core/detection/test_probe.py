"""Which probe a label asks for, where it goes, and what its answers mean."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.detection.probe import (
    BINDING_ERROR,
    UNSENT_ERRORS,
    ProbeRoute,
    Probing,
    find_route,
    record_probe_result,
)
from hemostat.core.labels.definitions import PROBE
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import ContainerInfo, PortBinding
from hemostat.core.settings.monitor import MonitorSettings, resolve_thresholds
from hemostat.events import Container, Phase


@pytest.mark.parametrize(
    ("label", "asked"),
    [
        ("http://:8080/health", ProbeTarget("http", 8080, "/health")),
        ("https://:8443/", ProbeTarget("https", 8443, "/")),
        (" HTTP://:80 ", ProbeTarget("http", 80, "/")),
        ("http:///ready?full=1", ProbeTarget("http", 80, "/ready?full=1")),
        ("https:///", ProbeTarget("https", 443, "/")),
        ("tcp://:5432", ProbeTarget("tcp", 5432)),
        ("tcp://:5432/", ProbeTarget("tcp", 5432)),
    ],
)
def test_label_gives_scheme_port_and_path(label, asked):
    assert PROBE.read(label) == asked
    assert PROBE.read(str(asked)) == asked


def test_container_without_label_has_no_probe():
    assert PROBE.read_from({"hemostat.probe": "tcp://:5432"}) == ProbeTarget("tcp", 5432)
    assert PROBE.read_from({"hemostat.probe": "tcp://db:5432"}) is None
    assert PROBE.read_from({}) is None


@pytest.mark.parametrize(
    "label",
    [
        "http://example.org:80/",
        "http://10.0.0.1:80/",
        "http://[::1]:80/",
        "http://user@:80/",
        "http://:80@10.0.0.1/",
        "tcp://localhost:5432",
    ],
)
def test_label_with_a_host_is_refused(label):
    with pytest.raises(ValueError, match="without a host"):
        PROBE.read(label)


@pytest.mark.parametrize(
    "label",
    [
        "",
        "8080",
        ":8080",
        "ftp://:21/",
        "tcp://",
        "tcp://:0",
        "tcp://:65536",
        "tcp://:99999999",
        "tcp://:5432/path",
        "http://:-1/",
        "http://:80/a b",
        "http://:80/\r\nHost: elsewhere",
        "http://:8\u0660/",
    ],
)
def test_invalid_probe_label_is_refused(label):
    with pytest.raises(ValueError, match=r"probe|port|path"):
        PROBE.read(label)


def container(name: str, network: str = "bridge", address: str = "") -> ContainerInfo:
    ref = Container(id=f"{name}-id", name=name)
    return ContainerInfo(ref=ref, status="running", network_mode=network, address=address)


def others(*infos: ContainerInfo) -> dict[str, ContainerInfo]:
    return {key: info for info in infos for key in (info.ref.id, info.ref.name)}


@pytest.mark.parametrize(
    ("info", "address"),
    [
        (container("web", address="172.17.0.2"), "172.17.0.2"),
        (container("web", "host"), "127.0.0.1"),
        (container("web", "none"), ""),
        (container("web"), ""),
        (container("web", "container:vpn"), "172.17.0.9"),
        (container("web", "container:vpn-id"), "172.17.0.9"),
        (container("web", address="127.0.0.1"), ""),
        (container("web", address="::ffff:127.0.0.1"), ""),
        (container("web", address="169.254.169.254"), ""),
        (container("web", address="224.0.0.1"), ""),
        (container("web", address="fd00::2"), "fd00::2"),
        (container("web", "container:near"), "127.0.0.1"),
    ],
)
def test_probe_targets_the_containers_address(info, address):
    known = others(
        info,
        container("vpn", address="172.17.0.9"),
        container("near", "host"),
    )
    assert find_route(info, known) == ProbeRoute(address)


@pytest.mark.parametrize("owner", ["gone", "ring"])
def test_container_in_an_unknown_network_has_no_route(owner):
    ring = container("ring", "container:ring")
    assert find_route(container("web", f"container:{owner}"), others(ring)) is None


def test_published_ports_of_the_networks_owner_lead_to_the_container():
    vpn = msgspec.structs.replace(container("vpn"), bindings=(PortBinding(80, "", 8080),))
    route = find_route(container("web", "container:vpn"), others(vpn))
    assert route == ProbeRoute("", vpn.bindings)
    assert route.find_binding(ProbeTarget("http", 80)) == PortBinding(80, "", 8080)
    assert route.find_binding(ProbeTarget("http", 8080)) is None


@pytest.mark.parametrize(("text", "period"), [("90s", 90.0), ("0", 0.0), ("soon", 60.0), (None, 60.0)])
def test_start_period_is_read_from_a_label(text, period):
    labels = {} if text is None else {"hemostat.probe.start_period": text}
    assert (
        resolve_thresholds(MonitorSettings(), Container(id="c", name="c", labels=labels)).probe_start
        == period
    )


def judged(answers: str, *, started: float = -100.0, state: Probing | None = None) -> list[tuple[int, Phase]]:
    """The transitions for answers one a second, `+` well and `-` not: at which second, and what."""
    state, found = state or Probing(), []
    for second, answer in enumerate(answers):
        error = "" if answer == "+" else "refused"
        state, phase = record_probe_result(state, error, now=float(second), started_at=started)
        if phase is not None:
            found.append((second, phase))
    return found


def test_three_failures_in_a_row_are_one_alert():
    assert judged("+------") == [(3, Phase.RAISED)]
    assert judged("+--+--+--+") == []


def test_success_clears_the_alert():
    assert judged("+---++---") == [(3, Phase.RAISED), (4, Phase.CLEARED), (8, Phase.RAISED)]


def test_slow_start_is_not_a_failure():
    assert judged("-" * 60, started=0.0) == []
    assert judged("-" * 63, started=0.0) == [(62, Phase.RAISED)]


def test_start_period_ends_with_the_first_success():
    assert judged("--+---", started=0.0) == [(5, Phase.RAISED)]


def test_earlier_alert_can_end_and_is_not_repeated():
    assert judged("---", state=Probing(raised=True)) == []
    assert judged("-+", state=Probing(raised=True), started=0.0) == [(1, Phase.CLEARED)]


def test_alert_starts_at_the_first_failure():
    state = Probing(succeeded=True)
    for second in (5.0, 6.0, 7.0):
        state, _ = record_probe_result(state, "refused", now=second, started_at=0.0)
    assert state == Probing(failures=3, since=5.0, succeeded=True, raised=True, reached=True)


def test_probe_that_never_connected_is_no_evidence():
    """Until it reaches it, which is another failure then."""
    state = Probing()
    for second in range(61, 64):
        state, phase = record_probe_result(
            state, "no connection within 2 s", now=float(second), started_at=0.0
        )
    assert (phase, state.never_reached) == (Phase.RAISED, True)
    phases = []
    for second in range(64, 70):
        state, phase = record_probe_result(state, "connection refused", now=float(second), started_at=0.0)
        phases.append(phase)
    assert (phases.index(Phase.RAISED), state.never_reached) == (2, False)


@pytest.mark.parametrize("error", UNSENT_ERRORS)
def test_probe_that_was_not_sent_is_no_evidence(error):
    """Neither of a container that another probe has reached before: HemoStat may have moved."""
    assert list_phases(Probing(), error) == [(Phase.RAISED, True)]
    assert list_phases(Probing(reached=True), error) == []
    assert list_phases(Probing(reached=True, succeeded=True), error) == []


def list_phases(state: Probing, error: str) -> list[tuple[Phase, bool]]:
    """The transitions of nine failures, each with whether the container was never reached."""
    phases = []
    for second in range(61, 70):
        state, phase = record_probe_result(state, error, now=float(second), started_at=0.0)
        phases += [] if phase is None else [(phase, state.never_reached)]
    return phases


@pytest.mark.parametrize(
    "error",
    [
        "no connection within 2 s",
        "no route to host",
        "network is unreachable",
        f"{BINDING_ERROR} 8080: connection refused",
    ],
)
def test_container_reached_once_hangs_when_unreachable(error):
    state, _ = record_probe_result(Probing(), "", now=0.0, started_at=0.0)
    state = state.reset_for_next_process()
    for second in range(61, 64):
        state, phase = record_probe_result(state, error, now=float(second), started_at=0.0)
    assert (phase, state.never_reached) == (Phase.RAISED, False)


@given(st.lists(st.tuples(st.booleans(), st.floats(allow_nan=True, allow_infinity=True))))
def test_transitions_alternate_under_any_clock(answers):
    state, phases = Probing(), []
    for well, now in answers:
        state, phase = record_probe_result(state, "" if well else "refused", now=now, started_at=0.0)
        phases += [phase] if phase is not None else []
    assert phases == [Phase.RAISED, Phase.CLEARED][:2] * (len(phases) // 2) + [Phase.RAISED] * (
        len(phases) % 2
    )
    assert state.raised == bool(len(phases) % 2)


@given(st.lists(st.sampled_from("+--"), max_size=30).map("".join))
def test_two_failures_in_a_row_are_never_enough(answers):
    assert judged(answers.replace("---", "--+")) == []


@given(st.text(max_size=20))
def test_any_text_is_a_local_probe_or_refused(text):
    try:
        asked = PROBE.read(text)
    except ValueError:
        return
    assert 0 < asked.port < 65536
