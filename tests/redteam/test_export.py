"""A user who sees the dashboard in a browser cannot write on the host that serves it: a file is a
download."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.web_dashboard import (
    dashboard_command,
    get,
    open_dashboard,
    open_incident,
    served,
    shown,
    text_of,
)

pytest.importorskip("textual_serve")


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in directory.rglob("*") if each.is_file()}


@pytest.mark.parametrize("name", ["x.md", "daemon.json", "new.svg", "volume/x.md"])
def test_path_typed_by_a_viewer_writes_no_file(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("HEMOSTAT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "authorized_keys").write_text("mine\n")
    (tmp_path / "daemon.json").write_text("{}\n")
    (tmp_path / "x.md").symlink_to("authorized_keys")
    (tmp_path / "volume").symlink_to(".")
    before = snapshot(tmp_path)
    names = sorted(tmp_path.iterdir())

    async def script(browser, at):
        socket = await open_dashboard(browser, at)
        await open_incident(socket)
        await socket.send_json(["stdin", "e"])
        await shown(socket, b"download this incident")
        for keys in ("\x15", str(tmp_path / name), "\r", "\r"):
            await socket.send_json(["stdin", keys])
        kind, key = json.loads(await text_of(socket))
        assert kind == "deliver_file_start"
        file = await get(browser, f"{at}/download/{key}")
        await socket.close()
        assert file.headers["Content-Disposition"].startswith("attachment")
        assert file.text

    served(script, command=dashboard_command())
    assert sorted(tmp_path.iterdir()) == names
    assert snapshot(tmp_path) == before
