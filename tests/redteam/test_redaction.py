"""Output of a neighbour does not delay another container's restart, and its secrets are not shown."""

import pytest

from tests.redteam.scene import VICTIM

pytestmark = [pytest.mark.docker, pytest.mark.redis]

FLOOD = "i=0; while [ $i -lt 14000 ]; do printf 'pwd=/'; i=$((i+1)); done; echo; "
"""70 KB on one line: a name of a secret every five characters."""
HIDDEN = (
    """s=Hx7q; echo '{"name":"DB_PASSWORD","value":"'${s}9Zw2k1'"}'; """
    """printf 'password:\\n  '${s}9Zw2k2'\\n'; """
    """echo 'postgres://u:12/'${s}9Zw2k3'@db'; echo '"AUTH" "'${s}9Zw2k4'"'; """
    """printf 'password\\t'${s}9Zw2k5'\\n'; """
)
"""Its command does not hold them, for that is shown as well."""


def test_neighbours_with_secret_names_in_logs_delay_no_restart(scene):
    for number in range(4):
        scene.make(f"flood{number}", FLOOD + VICTIM)
    scene.make_victim()
    scene.start(RESPONDER_CONCURRENCY="8")
    for number in range(4):
        scene.crash(f"flood{number}")
    scene.crash()
    scene.await_healed()


def test_no_command_prints_text_masked_in_logs(scene):
    scene.make("talker", HIDDEN + VICTIM)
    scene.start()
    scene.crash("talker")
    scene.await_healed("talker")
    incident = scene.await_event(
        lambda each: each.type == "remediation_complete" and scene.about("talker")(each)
    ).incident
    printed = "".join(
        scene.run(*command).stdout
        for command in (
            ("evidence", incident),
            ("evidence", incident, "--json"),
            ("incident", "show", incident),
            ("explain", incident),
            ("events", "--json"),
        )
    )
    assert "[redacted: password]" in printed
    assert "Hx7q9Zw2k" not in printed


def test_no_command_prints_a_secret_behind_a_wrong_label(scene):
    address = f"postgres://app:{'Hx7q9Zw2k' * 8}@db/app"
    labels = {
        "hemostat.depends_on": address,
        "hemostat.cpu": f"psql --set=ON_ERROR_STOP=1 {address}",
        "hemostat.exec": f"psql --set=ON_ERROR_STOP=1 --no-psqlrc {address} 'unbalanced",
        "hemostat.db.password": "Hx7q9Zw2k",
    }
    scene.make("mistaken", VICTIM, labels=labels)
    scene.start()
    scene.crash("mistaken")
    told = scene.await_event(
        lambda each: each.type == "remediation_complete" and scene.about("mistaken")(each), seconds=30
    )
    printed = "".join(
        scene.run(*command).stdout
        for command in (
            ("evidence", told.incident, "--json"),
            ("incident", "show", told.incident),
            ("explain", told.incident),
            ("events", "--json"),
            ("status", "--json"),
            ("labels", "--json"),
            ("labels",),
        )
    )
    assert "cannot be read" in printed
    assert "Hx7q9Zw2k" not in printed + scene.stop()
