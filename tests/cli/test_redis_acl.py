"""`hemostat redis-acl`: the file on stdout, the passwords where they are wanted."""

import hashlib
import stat

from hemostat.adapters.redis.acl import SERVER_LIMITS


def test_password_files_are_private_and_printed_as_hashes(hemostat, tmp_path):
    code, out, err = hemostat("redis-acl", "--passwords", str(tmp_path / "new"))
    assert (code, err) == (
        0,
        f"also add to redis.conf: {', '.join(SERVER_LIMITS)}\n",
    )
    files = sorted((tmp_path / "new").iterdir())
    assert len(files) == len(out.splitlines()) - 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    for file in files:
        password = file.read_text().strip()
        assert password not in out
        assert f"user {file.name} on #{hashlib.sha256(password.encode()).hexdigest()} " in out


def test_existing_passwords_are_kept(hemostat, tmp_path):
    first = hemostat("redis-acl", "--passwords", str(tmp_path)).out
    (tmp_path / "hemostat-viewer").unlink()
    second = hemostat("redis-acl", "--passwords", str(tmp_path)).out
    changed = set(first.splitlines()) ^ set(second.splitlines())
    assert {line.split()[1] for line in changed} == {"hemostat-viewer"}


def test_users_without_password_cannot_log_in(hemostat):
    out = hemostat("redis-acl").out
    assert all(" resetpass " in line for line in out.splitlines())
    assert "nopass" not in out


def test_acl_for_redis_6_uses_its_syntax(hemostat):
    _, out, err = hemostat("redis-acl", "--compatible", "6")
    assert "each user except hemostat-viewer can overwrite" in err
    assert "%R~" not in out
    assert "(" not in out


def test_empty_password_is_refused(hemostat, tmp_path):
    (tmp_path / "hemostat-alert").touch()
    code, out, err = hemostat("redis-acl", "--passwords", str(tmp_path))
    assert (code, out) == (2, "")
    assert "hemostat-alert is empty: write a password" in err


def test_unusable_directory_is_reported(hemostat, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = hemostat("redis-acl", "--passwords", str(tmp_path / "file"))
    assert (code, out) == (2, "")
    assert "cannot be used" in err


def test_host_gets_its_own_users(hemostat, tmp_path):
    before = {line.split()[1] for line in hemostat("redis-acl").out.splitlines()}
    out = hemostat("redis-acl", "--host", "web1", "--host", "web2", "--passwords", str(tmp_path)).out
    own = {f"hemostat-{role}-{host}" for role in ("monitor", "responder", "all") for host in ("web1", "web2")}
    assert {line.split()[1] for line in out.splitlines()} == before | own
    assert own <= {file.name for file in tmp_path.iterdir()}


def test_host_name_with_a_pattern_is_refused(hemostat):
    code, out, err = hemostat("redis-acl", "--host", "web*")
    assert (code, out) == (2, "")
    assert "--host 'web*'" in err
