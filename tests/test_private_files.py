"""Paths that another user has power over are refused, and what a link leads to stays as it is."""

import os
import stat

import pytest

from hemostat.errors import UnsafePathError
from hemostat.private_files import check_directory, check_file, make_directory, open_file, replace_file
from tests.support.required import missing

STRANGER = 65534


@pytest.fixture
def give():
    """Make a path another user's, without following links."""
    if os.geteuid():
        missing("only root can give files away")
    return lambda path: os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def test_new_directory_is_private(tmp_path):
    make_directory(wanted := tmp_path / "a" / "b")
    assert stat.S_IMODE(wanted.stat().st_mode) == 0o700
    make_directory(wanted)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o702, 0o720, 0o1777])
def test_directory_writable_by_others_is_refused(tmp_path, mode):
    (state := tmp_path / "state").mkdir()
    state.chmod(mode)
    with pytest.raises(UnsafePathError, match=r"can be written by other users .*: chmod go-w"):
        make_directory(state)


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_directory_that_others_can_rename_is_refused(tmp_path, mode):
    (parent := tmp_path / "parent").mkdir()
    (parent / "state").mkdir(mode=0o700)
    parent.chmod(mode)
    with pytest.raises(UnsafePathError, match=f"the directory {parent} can be changed by other users"):
        check_directory(parent / "state")
    with pytest.raises(UnsafePathError):
        make_directory(parent / "other")
    assert not (parent / "other").exists()


def test_sticky_parent_such_as_tmp_is_accepted(tmp_path):
    (parent := tmp_path / "parent").mkdir()
    parent.chmod(0o1777)
    make_directory(parent / "state")


def test_directory_of_another_user_is_refused(tmp_path, give):
    (state := tmp_path / "state").mkdir(mode=0o700)
    give(state)
    with pytest.raises(UnsafePathError, match="belongs to user nobody"):
        check_directory(state)
    with pytest.raises(UnsafePathError, match="belongs to user nobody"):
        check_directory(state / "below")


def test_symlink_of_another_user_is_refused(tmp_path, give):
    (target := tmp_path / "target").mkdir(mode=0o700)
    (link := tmp_path / "link").symlink_to(target)
    check_directory(link)
    give(link)
    with pytest.raises(UnsafePathError, match=f"the link {link} belongs to user nobody"):
        check_directory(link)
    with pytest.raises(UnsafePathError):
        make_directory(link / "below")
    assert not (target / "below").exists()


def test_target_of_an_own_symlink_is_checked(tmp_path):
    (target := tmp_path / "target").mkdir()
    target.chmod(0o777)
    (link := tmp_path / "link").symlink_to("target")
    with pytest.raises(UnsafePathError, match=f"the directory {target} can be written by other users"):
        check_directory(link)


def test_symlink_loop_raises_an_os_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        check_directory(tmp_path / "a")


@pytest.mark.parametrize("flags", [os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_file_behind_a_symlink_is_unchanged(tmp_path, link, flags):
    (target := tmp_path / "target").write_text("precious")
    link(target, tmp_path / "lock")
    with pytest.raises(UnsafePathError, match="link"):
        open_file(tmp_path / "lock", flags)
    assert target.read_text() == "precious"


def test_dangling_symlink_creates_no_file(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(UnsafePathError, match="symbolic link"):
        open_file(tmp_path / "lock")
    assert not (tmp_path / "target").exists()


def test_named_pipe_is_refused_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(UnsafePathError, match="is not a file"):
        open_file(tmp_path / "lock")


def test_file_of_another_user_is_refused(tmp_path, give):
    (file := tmp_path / "lock").write_text("theirs")
    give(file)
    with pytest.raises(UnsafePathError, match="belongs to user nobody"):
        open_file(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    assert file.read_text() == "theirs"


def test_permissions_of_an_older_file_are_restricted(tmp_path):
    (file := tmp_path / "log").write_text("")
    file.chmod(0o666)
    os.close(open_file(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_file_in_place_of_a_socket_is_refused(tmp_path):
    (tmp_path / "redis.sock").write_text("")
    with pytest.raises(UnsafePathError, match="is not a socket"):
        check_file(tmp_path / "redis.sock", is_kind="socket")


def test_symlink_of_the_name_is_replaced_not_followed(tmp_path):
    (target := tmp_path / "target").write_text("precious")
    (file := tmp_path / "view").symlink_to(target)
    (tmp_path / f".view.{os.getpid()}").symlink_to(target)
    replace_file(file, b"new")
    assert (file.read_bytes(), target.read_text()) == (b"new", "precious")
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600
