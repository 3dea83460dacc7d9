"""Files for their owner alone: no link is followed, and a file that is replaced is replaced whole."""

import os
import stat
from pathlib import Path

import pytest

from hemostat.output_file import open_output, write_output


def names(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_file_is_private_under_any_umask(tmp_path):
    before = os.umask(0)
    try:
        write_output(tmp_path / "x", b"secret")
    finally:
        os.umask(before)
    assert ((tmp_path / "x").read_bytes(), mode(tmp_path / "x")) == (b"secret", 0o600)


def test_existing_file_is_kept_unless_replaced(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"old")
    file.chmod(0o644)
    with pytest.raises(FileExistsError):
        write_output(file, b"new")
    assert file.read_bytes() == b"old"
    write_output(file, b"new", replace=True)
    assert (file.read_bytes(), mode(file), names(tmp_path)) == (b"new", 0o600, ["x"])


def test_open_old_file_does_not_change(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"old")
    os.link(file, tmp_path / "twin")
    with (tmp_path / "x").open("rb") as held:
        write_output(file, b"new", replace=True)
        assert held.read() == b"old"
    assert (tmp_path / "twin").read_bytes() == b"old"


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_symlink_is_not_followed(tmp_path, replace, there):
    aim, link = tmp_path / "authorized_keys", tmp_path / "x.md"
    if there:
        aim.write_bytes(b"mine")
    link.symlink_to(aim)
    with pytest.raises(OSError, match=r"File exists|is a symbolic link"):
        write_output(link, b"theirs", replace=replace)
    assert aim.exists() is there
    assert not there or aim.read_bytes() == b"mine"
    assert link.is_symlink()


@pytest.mark.parametrize("deep", [False, True])
def test_symlinked_parent_is_refused_with_the_real_path(tmp_path, deep):
    aim = tmp_path / "etc"
    (aim / "inner").mkdir(parents=True)
    (tmp_path / "volume").symlink_to(aim)
    path = tmp_path / "volume" / ("inner/x" if deep else "x")
    with pytest.raises(OSError, match=f"volume is a symbolic link: use {aim}"):
        write_output(path, b"theirs", replace=True)
    assert list(aim.glob("**/x")) == []


def test_symlink_in_the_home_directory_is_accepted(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / ".config").symlink_to("dotfiles")
    write_output(tmp_path / ".config" / "x", b"mine")
    assert (tmp_path / "dotfiles" / "x").read_bytes() == b"mine"


def test_a_directory_that_is_replaced_by_a_link_meanwhile_is_not_followed(tmp_path, monkeypatch):
    """Its owner may exchange both at any moment, such as after it was looked at."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "etc").mkdir()
    find_target, looks = os.readlink, []

    def exchange(name: str, **options: int) -> str:
        try:
            return find_target(name, **options)
        finally:
            if name == "volume" and not looks:
                looks.append(name)
                (tmp_path / "volume").rmdir()
                (tmp_path / "volume").symlink_to("etc")

    monkeypatch.setattr(os, "readlink", exchange)
    with pytest.raises(OSError, match=r"Not a directory|is a symbolic link"):
        write_output(tmp_path / "volume" / "x", b"theirs", replace=True)
    assert list((tmp_path / "etc").iterdir()) == []


@pytest.mark.parametrize("target", ["loop", "../loop"])
def test_links_that_lead_to_each_other_end(tmp_path, monkeypatch, target):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "loop").symlink_to(target if target == "loop" else "../home/loop")
    with pytest.raises(OSError, match="Too many levels"):
        write_output(home / "loop" / "x", b"mine")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_directory_or_device_is_not_replaced(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(OSError, match="is not a regular file"):
        write_output(tmp_path / "x", b"new", replace=True)


def test_failure_leaves_only_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "x"
    file.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        write_output(file, b"new", replace=True)
    with pytest.raises(OSError, match="No space left"):
        write_output(tmp_path / "y", b"new")
    assert (file.read_bytes(), names(tmp_path)) == (b"old", ["x"])


def test_streamed_file_is_in_place_at_once(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"old")
    with open_output(file, b"head ", replace=True) as opened:
        assert file.read_bytes() == b"head "
        opened.write(b"body")
    assert file.read_bytes() == b"head body"


def test_device_is_written_to():
    write_output(Path("/dev/null"), b"gone", replace=True)
    assert Path("/dev/null").is_char_device()
