"""Commands among other people's variables, and with passwords that no URL can hold."""

import pytest

SERVICE = {
    "HEMOSTAT_IMAGE": "registry/hemostat:1",
    "HEMOSTAT_PORT": "tcp://10.0.0.1:80",
    "HEMOSTAT_SERVICE_HOST": "10.0.0.1",
    "HEMOSTAT_PORT_80_TCP_ADDR": "10.0.0.1",
    "HEMOSTAT_TUI__X": "1",
}


@pytest.mark.redis
@pytest.mark.parametrize("command", ["status", "events", "approvals", "config show"])
def test_command_works_with_foreign_variables(hemostat, bus, environ, command):
    for name, value in SERVICE.items():
        environ.setenv(name, value)
    code, _, err = hemostat(*command.split())
    assert code == 0
    assert len(err.splitlines()) == 1
    assert all(name in err for name in SERVICE)


def test_doctor_names_foreign_variables(hemostat, environ):
    for name, value in SERVICE.items():
        environ.setenv(name, value)
    found = {each["name"]: each for each in hemostat("doctor", "--json").json["checks"]}["configuration"]
    assert found["level"] == "warning"
    assert all(name in found["message"] for name in SERVICE)


HIDDEN = "geheim"


@pytest.mark.parametrize("character", list("#/?[]"))
@pytest.mark.parametrize("command", ["status", "config check", "config show", "approvals", "doctor"])
def test_unencodable_password_is_reported_and_masked(hemostat, environ, character, command):
    environ.setenv("HEMOSTAT_REDIS_URL", f"redis://:a{character}{HIDDEN}@127.0.0.1:1/0")
    code, out, err = hemostat(*command.split())
    assert code == 2
    assert HIDDEN not in out + err
    assert "must be percent-encoded" in out + err
    assert "redis.password_file" in out + err
    assert command == "doctor" or len(err.splitlines()) == 1


@pytest.mark.parametrize("character", list("%@:\"' \\"))
def test_encoded_password_is_masked(hemostat, environ, character):
    environ.setenv("HEMOSTAT_REDIS_URL", f"redis://:a{character}{HIDDEN}@127.0.0.1:1/0")
    code, out, err = hemostat("status")
    assert code == 3
    assert HIDDEN not in out + err
    assert "redis://********@127.0.0.1:1/0 cannot be reached" in err


@pytest.mark.parametrize("login", ["u:a@{}@127.0.0.1:1/d", "#{}", "u/x:{}@127.0.0.1:1/d"])
def test_ambiguous_store_url_is_reported_and_masked(hemostat, environ, login):
    environ.setenv("HEMOSTAT_STORE_URL", "postgresql://" + login.format(HIDDEN))
    code, out, err = hemostat("history")
    assert code == 2
    assert HIDDEN not in out + err
    assert "percent-encoded" in err


def test_doctor_mentions_defaults_for_invalid_settings(hemostat, environ):
    environ.setenv("HEMOSTAT_REDIS_URL", "sentinel://h")
    code, out, _ = hemostat("doctor")
    assert code == 2
    assert "Redis Sentinel is not supported yet" in out
    line = next(line for line in out.splitlines() if "Redis  " in line)
    assert "(checked with the default settings)" in line
