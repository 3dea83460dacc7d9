"""`hemostat setup systemd`: what it writes and runs, what it refuses, and what it takes back."""

import grp
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import msgspec
import pytest

from hemostat.cli.setup.systemd import host, plan
from hemostat.cli.setup.systemd.command import UNITS
from hemostat.cli.setup.systemd.plan import Facts, Manifest, PathRights
from hemostat.errors import ConfigError, HemoStatError, UsageError

UNIT = Path("/etc/systemd/system/hemostat.service")
CONFIG = Path("/etc/hemostat/hemostat.toml")
EXECUTABLE = Path("/srv/hemostat/bin/hemostat")
TEMPLATE = (UNITS / "system.service").read_text("utf-8")
DIRECTORY = stat.S_IFDIR | 0o755
PROGRAM = stat.S_IFREG | 0o755
SOCKET = stat.S_IFSOCK | 0o660


def make_facts(**changes) -> Facts:
    facts = Facts(
        is_user=False,
        executable=EXECUTABLE,
        groups=("docker",),
        template=TEMPLATE,
        unit=UNIT,
        unit_text=None,
        config=CONFIG,
        config_text="settings\n",
        has_config=False,
        directories=(CONFIG.parent,),
        has_user=False,
        has_state=False,
        podman_socket=False,
        manifest=Manifest(),
    )
    return facts._replace(**changes)


def repeat(facts: Facts) -> Facts:
    """The facts after the setup."""
    decided = plan.make_plan(facts)
    return facts._replace(
        unit_text=decided.files[0].text,
        has_config=True,
        directories=(),
        has_user=True,
        has_state=True,
        manifest=decided.manifest,
    )


def test_first_setup_writes_user_unit_and_configuration():
    decided = plan.make_plan(make_facts())
    assert [*plan.describe_plan(decided, is_user=False)] == [
        "create the user hemostat in the group docker",
        "create /etc/hemostat",
        "write /etc/systemd/system/hemostat.service, root:root 0644",
        "write /etc/hemostat/hemostat.toml, root:hemostat 0640",
        "run systemctl daemon-reload",
        "run systemctl enable hemostat.service",
        "run systemctl start hemostat.service",
    ]
    assert "ExecStart=/srv/hemostat/bin/hemostat all\n" in decided.files[0].text
    assert "SupplementaryGroups=docker\n" in decided.files[0].text


def test_second_setup_writes_nothing_and_interrupts_nothing():
    decided = plan.make_plan(repeat(make_facts()))
    assert [*plan.describe_plan(decided, is_user=False)] == [
        "keep /etc/hemostat/hemostat.toml, root:hemostat 0640",
        "run systemctl daemon-reload",
        "run systemctl enable hemostat.service",
        "run systemctl start hemostat.service",
    ]
    assert decided.manifest == repeat(make_facts()).manifest


def test_setup_with_another_program_restarts_the_service():
    decided = plan.make_plan(repeat(make_facts())._replace(executable=Path("/opt/new/bin/hemostat")))
    assert [file.path for file in decided.files] == [UNIT]
    assert decided.commands[-1] == ("systemctl", "restart", "hemostat.service")


def test_unit_that_a_person_wrote_is_not_overwritten():
    with pytest.raises(UsageError, match="is not the file that the setup has written"):
        plan.make_plan(make_facts(unit_text="[Service]\n"))


def test_socket_for_every_user_needs_no_group():
    assert "SupplementaryGroups" not in plan.make_unit(TEMPLATE, EXECUTABLE, ())


def test_service_joins_the_groups_of_all_sockets():
    facts = make_facts(groups=("docker", "podman"))
    decided = plan.make_plan(facts)
    assert "SupplementaryGroups=docker podman\n" in decided.files[0].text
    assert next(plan.describe_plan(decided, is_user=False)).endswith("in the groups docker, podman")


def test_setup_of_a_user_needs_no_root():
    decided = plan.make_plan(make_facts(is_user=True, groups=(), podman_socket=True))
    steps = [*plan.describe_plan(decided, is_user=True)]
    assert not any("user hemostat" in step for step in steps)
    assert "write /etc/hemostat/hemostat.toml, 0600" in steps
    assert decided.commands[0] == ("systemctl", "--user", "enable", "--now", "podman.socket")
    assert all(command[1] == "--user" for command in decided.commands)


def undo(facts: Facts, texts: dict[Path, str | None], **changes) -> plan.UndoPlan:
    manifest = repeat(facts).manifest
    written = {path: texts.get(Path(path), file_text(facts, path)) for path in manifest.files}
    given = {"is_user": facts.is_user, "state": Path("/var/lib/hemostat"), "has_state": True, "purge": False}
    return plan.make_undo_plan(manifest, written, **{**given, **changes})


def file_text(facts: Facts, path: str) -> str:
    return next(file.text for file in plan.make_plan(facts).files if str(file.path) == path)


def test_undo_leaves_the_events_and_their_owner():
    decided = undo(make_facts(), {})
    assert decided.files == (UNIT, CONFIG)
    assert (decided.removes_state, decided.removes_user) == (False, False)
    assert [each.split(":")[0] for each in decided.left] == ["/var/lib/hemostat"]
    assert decided.manifest == Manifest(directories=("/etc/hemostat",), user=True, state=True)


def test_undo_with_purge_leaves_nothing():
    decided = undo(make_facts(), {}, purge=True)
    assert decided.removes_state
    assert decided.removes_user
    assert decided.directories == (CONFIG.parent,)
    assert (decided.left, decided.manifest) == ((), None)


def test_purge_after_an_undo_removes_the_rest():
    rest = undo(make_facts(), {}).manifest
    decided = plan.make_undo_plan(
        rest, {}, is_user=False, state=Path("/var/lib/hemostat"), has_state=True, purge=True
    )
    assert (decided.stop, decided.files) == ((), ())
    assert decided.removes_state
    assert decided.removes_user


def test_undo_leaves_and_names_a_changed_configuration():
    decided = undo(make_facts(), {CONFIG: "changed\n"}, purge=True)
    assert decided.files == (UNIT,)
    assert decided.left == ("/etc/hemostat/hemostat.toml: it was changed after the setup",)


def test_undo_leaves_what_existed_before_the_setup():
    decided = undo(make_facts(has_config=True, has_user=True, has_state=True), {}, purge=True)
    assert decided.files == (UNIT,)
    assert (decided.removes_state, decided.removes_user) == (False, False)


def test_undo_stops_podman_only_if_the_setup_has_started_it():
    podman = ("systemctl", "--user", "disable", "--now", "podman.socket")
    assert podman in undo(make_facts(is_user=True, podman_socket=True), {}).stop
    assert podman not in undo(make_facts(is_user=True), {}).stop


PARTS = (
    PathRights(Path("/srv"), "root", "root", DIRECTORY),
    PathRights(Path("/srv/hemostat"), "root", "root", DIRECTORY),
    PathRights(EXECUTABLE, "root", "root", PROGRAM),
)


def test_program_of_root_for_all_users_is_accepted():
    plan.check_executable(PARTS)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (
            PathRights(Path("/srv/hemostat"), "root", "root", stat.S_IFDIR | 0o700),
            "cannot read /srv/hemostat",
        ),
        (PathRights(EXECUTABLE, "root", "root", stat.S_IFREG | 0o600), "cannot read"),
        (PathRights(Path("/srv/hemostat"), "ann", "ann", DIRECTORY), "another user than root can change it"),
        (PathRights(EXECUTABLE, "root", "ann", stat.S_IFREG | 0o775), "another user than root can change it"),
        (PathRights(Path("/root/.local/bin/python"), "root", "root", PROGRAM), "it is below /root"),
    ],
)
def test_program_that_the_service_cannot_run_safely_is_refused(part, reason):
    with pytest.raises(UsageError, match=reason):
        plan.check_executable((*PARTS, part))


@pytest.mark.parametrize("is_user", [True, False])
@pytest.mark.parametrize("name", ["a\nUser=root", 'a"b', "a'b", "a\\b"])
def test_path_that_a_unit_cannot_name_is_refused(is_user, name):
    facts = make_facts(is_user=is_user, executable=Path("/opt", name, "hemostat"))
    with pytest.raises(UsageError, match="characters that a unit cannot name") as refused:
        plan.make_plan(facts)
    assert "\n" not in str(refused.value)


def test_systemd_runs_the_program_at_a_path_with_special_characters(tmp_path):
    """Without quotes it would run the program `…/a`."""
    analyze = shutil.which("systemd-analyze") or pytest.skip("there is no systemd-analyze")
    executable, unit = tmp_path / "a b%n;$x é/hemostat", tmp_path / "hemostat.service"
    executable.parent.mkdir()
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    unit.write_text(plan.make_unit(TEMPLATE, executable, ()))
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "hemostat.service" in line] == []


ENGINE = Path("/run/docker.sock")


@pytest.mark.parametrize(("mode", "group"), [(0o660, "docker"), (0o666, "")])
def test_service_joins_the_group_of_the_socket(mode, group):
    parts = [PathRights(ENGINE.parent, "root", "root", DIRECTORY)]
    engine = PathRights(ENGINE, "root", "docker", stat.S_IFSOCK | mode)
    assert plan.choose_group(ENGINE, [*parts, engine]) == group


@pytest.mark.parametrize(
    ("folder", "engine", "reason"),
    [
        (0o755, ("root", 0o600), "root:root 0600"),
        (0o755, ("root", 0o660), "root:root 0660"),
        (0o755, ("docker", 0o640), "root:docker 0640"),
        (0o700, ("docker", 0o660), "root:root 0700"),
    ],
)
def test_socket_for_root_alone_is_refused(folder, engine, reason):
    group, mode = engine
    parts = [
        PathRights(ENGINE.parent, "root", "root", stat.S_IFDIR | folder),
        PathRights(ENGINE, "root", group, stat.S_IFSOCK | mode),
    ]
    with pytest.raises(UsageError, match=f"only root can use .*{reason}"):
        plan.choose_group(ENGINE, parts)


def test_engine_without_a_socket_is_refused():
    with pytest.raises(UsageError, match="has no socket"):
        plan.choose_group(ENGINE, [])


@pytest.mark.parametrize("option", [(), ("--user",), ("--dry-run",), ("--undo",)])
def test_host_without_systemd_is_refused_in_one_line(hemostat, monkeypatch, tmp_path, option):
    monkeypatch.setattr(host, "RUNNING_SYSTEMD", tmp_path / "none")
    code, out, err = hemostat("setup", "systemd", *option)
    assert (code, out) == (2, "")
    assert err.startswith("hemostat: systemd does not run here: ")
    assert err.count("\n") == 1


def test_user_without_rights_is_told_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(host, "RUNNING_SYSTEMD", tmp_path)
    with pytest.raises(UsageError, match="needs root"):
        host.require_systemd({}, 1000, is_user=False)
    with pytest.raises(UsageError, match="for other users than root"):
        host.require_systemd({}, 0, is_user=True)


def test_user_without_a_group_of_its_name_is_refused(monkeypatch):
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert host.has_user(user)
    monkeypatch.setattr(grp, "getgrnam", {}.__getitem__)
    with pytest.raises(UsageError, match=f"the user {user} has no group"):
        host.has_user(user)
    assert not host.has_user("no-such-user")


@pytest.fixture
def user_host(monkeypatch, tmp_path) -> Path:
    """A host for setups of a user; commands only write their words to a file."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/commands\n')
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return tmp_path


def test_setup_and_undo_of_a_user_leave_nothing(user_host):
    home = user_host / "home"
    home.mkdir(mode=0o700)
    config, unit = home / "config/hemostat.toml", home / "units/hemostat.service"
    facts = make_facts(
        is_user=True,
        unit=unit,
        config=config,
        directories=host.list_missing_directories((unit, config)),
    )
    host.carry_out(plan.make_plan(facts), config.parent, os.environ, is_user=True)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    manifest = host.read_manifest(config.parent)
    assert manifest is not None
    texts = {path: host.read_text(Path(path)) for path in manifest.files}
    undone = plan.make_undo_plan(
        manifest, texts, is_user=True, state=home / "state", has_state=False, purge=False
    )
    host.carry_out_undo(undone, config.parent, home / "state", os.environ)
    assert [*home.iterdir()] == []
    assert "--user start hemostat.service" in (user_host / "commands").read_text()


def test_existing_configuration_loses_the_rights_of_others(user_host):
    config = user_host / "hemostat.toml"
    config.write_text("")
    config.chmod(0o644)
    facts = make_facts(
        is_user=True, unit=user_host / "hemostat.service", config=config, has_config=True, directories=()
    )
    user_host.chmod(0o755)
    host.carry_out(plan.make_plan(facts), user_host, os.environ, is_user=True)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_link_in_place_of_the_configuration_is_not_followed(user_host):
    secret = user_host / "secret"
    secret.write_text("")
    secret.chmod(0o644)
    config = user_host / "hemostat.toml"
    config.symlink_to(secret)
    facts = make_facts(
        is_user=True, unit=user_host / "hemostat.service", config=config, has_config=True, directories=()
    )
    user_host.chmod(0o755)
    with pytest.raises(HemoStatError, match=r"hemostat\.toml"):
        host.carry_out(plan.make_plan(facts), user_host, os.environ, is_user=True)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o644


def test_failed_command_names_its_reason(user_host):
    (user_host / "programs/systemctl").write_text("#!/bin/sh\necho no such unit >&2\nexit 5\n")
    facts = make_facts(
        is_user=True, unit=user_host / "hemostat.service", config=user_host / "c.toml", directories=()
    )
    user_host.chmod(0o755)
    with pytest.raises(HemoStatError, match="systemctl --user daemon-reload failed: no such unit"):
        host.carry_out(plan.make_plan(facts), user_host, os.environ, is_user=True)
    assert host.read_manifest(user_host) is not None


def write_manifest(directory: Path, named: Path) -> None:
    manifest = Manifest(files={str(named): plan.hash_text(named.read_text())})
    (directory / host.MANIFEST_NAME).write_bytes(msgspec.json.encode(manifest))


@pytest.mark.parametrize("risk", ["directory", "file", "link"])
def test_undo_believes_no_manifest_that_another_user_could_have_written(tmp_path, risk):
    """It would remove any file of root that the manifest names."""
    named, directory = tmp_path / "named", tmp_path / "etc"
    named.write_text("of root")
    directory.mkdir(mode=0o700)
    write_manifest(directory, named)
    path = directory / host.MANIFEST_NAME
    if risk == "directory":
        directory.chmod(0o777)
    elif risk == "file":
        path.chmod(0o666)
    else:
        path.symlink_to(path.rename(tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match=r"can be written by other users|is a symbolic link"):
        host.read_manifest(directory)
