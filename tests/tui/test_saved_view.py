"""The view that somebody left."""

import pytest

from hemostat.tui.saved_view import SavedView, load_view, save_view

VIEW = SavedView(sort="cpu", grouped=True, columns=("state", "cpu"))


def test_saved_view_is_loaded(tmp_path):
    path = tmp_path / "not" / "yet" / "view.json"
    assert save_view(path, VIEW) == ""
    assert load_view(path) == (VIEW, "")
    assert [each.name for each in path.parent.iterdir()] == ["view.json"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b'{"sort": "colour"}', b"[1]", b"\xff"])
def test_broken_file_is_reported_and_ignored(tmp_path, content):
    path = tmp_path / "view.json"
    path.write_bytes(content)
    view, word = load_view(path)
    assert view == SavedView()
    assert str(path) in word


def test_unknown_fields_of_a_newer_version_are_ignored(tmp_path):
    path = tmp_path / "view.json"
    path.write_bytes(b'{"sort": "cpu", "later": 1}')
    assert load_view(path) == (SavedView(sort="cpu"), "")


def test_failure_to_save_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be saved" in save_view(tmp_path / "file" / "view.json", VIEW)


def test_view_without_a_file_is_not_saved():
    assert load_view(None) == (SavedView(), "")
    assert save_view(None, VIEW) == ""
