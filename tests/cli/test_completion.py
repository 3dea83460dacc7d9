"""Shell completion: what is offered, and that nothing else is ever shown."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import pytest

from hemostat.adapters.redis import EmbeddedRedis, RedisBus, RedisControls, connect
from hemostat.cli.completion import complete, names
from hemostat.cli.root import COMMANDS
from hemostat.cli.root import hemostat as program
from hemostat.cli.setup.completion import find_script_path
from hemostat.config import FIELDS, SECRET_KEYS
from hemostat.core.ledger.controls import Approval, ApprovalAnswer
from hemostat.demo import SCENARIOS
from hemostat.events import Action, Container, ContainerStats, Event, HealthAlert, Kind, Severity, State
from tests.support.required import missing

WITHOUT_BOUNDS = (
    "from hemostat.cli.completion import complete, names\n"
    "complete.MAX_SECONDS = names.BUS_SECONDS = 60.0\n"
    "from hemostat.cli.main import run\nimport sys\n"
)
"""A busy machine of tests may take longer than a shell waits."""
PROJECT = {"com.docker.compose.project": "shop"}


@pytest.fixture
def offer(hemostat, environ):
    """What a shell gets for a line, whose last word is at the cursor: (type, value, help) of each item."""
    environ.setattr(complete, "MAX_SECONDS", 60.0)
    environ.setattr(names, "BUS_SECONDS", 60.0)

    def offer(line: str, shell: str = "zsh"):
        words = line.split(" ")
        environ.setenv("_HEMOSTAT_COMPLETE", f"{shell}_complete")
        environ.setenv("COMP_WORDS", line)
        environ.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
        said = hemostat()
        environ.delenv("_HEMOSTAT_COMPLETE")
        assert said.err == ""
        lines = said.out.removesuffix("\n").split("\n") if said.out.strip() else []
        return list(zip(lines[::3], lines[1::3], lines[2::3], strict=True)) if shell == "zsh" else lines

    return offer


@pytest.fixture
def values(offer):
    return lambda line: [value for _, value, _ in offer(line)]


def show(bus, *container_names, host="h1", labels=PROJECT):
    containers = [Container(id=f"{name}-id", name=name, labels=labels) for name in container_names]
    stats = [ContainerStats(container=each, state=State(status="running")) for each in containers]
    bus.publish_live([make(each, host=host) for each in stats], ttl=60.0)


def make(data, *, host="h1", incident=None, age=0.0):
    return Event.make(data, time=time.time() - age, host=host, source=f"monitor@{host}", incident=incident)


def alert(bus, incident, name="web", age=0.0, kind=Kind.EXITED):
    data = HealthAlert(
        container=Container(id="c", name=name), kind=kind, severity=Severity.CRITICAL, since=time.time()
    )
    bus.publish([make(data, incident=incident, age=age)])


@pytest.mark.redis
@pytest.mark.parametrize(
    "line",
    [
        "order restart",
        "order restart other",
        "pause --container",
        "pause --container=",
        "labels",
        "events --container",
        "history --container",
    ],
)
def test_containers_on_the_bus_are_offered(bus, values, line):
    show(bus, "web", "db")
    separator = "" if line.endswith("=") else " "
    option = f"{line.split()[-1]}" if line.endswith("=") else ""
    assert values(f"hemostat {line}{separator}") == [f"{option}db", f"{option}web"]
    assert values(f"hemostat {line}{separator}w") == [f"{option}web"]


@pytest.mark.redis
def test_host_is_offered_with_the_container_if_there_are_several(bus, values):
    show(bus, "web")
    assert values("hemostat order restart h1/") == ["h1/web"]
    show(bus, "web", "db", host="h2")
    assert values("hemostat order restart ") == ["h1/web", "h2/db", "h2/web"]
    assert values("hemostat order restart h2/w") == ["h2/web"]
    assert values("hemostat history --host ") == ["h1", "h2"]
    assert values("hemostat report --project ") == ["shop"]


def test_configured_engines_are_offered(values, monkeypatch):
    monkeypatch.setenv("HEMOSTAT_ENGINES", '{"web1": "ssh://web1", "db": "ssh://db"}')
    assert values("hemostat monitor --engine ") == ["db", "web1"]
    assert values("hemostat monitor --engine w") == ["web1"]


@pytest.mark.redis
@pytest.mark.parametrize(
    "command",
    [
        "explain",
        "evidence",
        "incident show",
        "analyze --once",
        "acknowledge",
        "close",
    ],
)
def test_incidents_are_offered_newest_first_with_kind_and_container(bus, offer, command):
    alert(bus, "aa00", "web", age=20)
    alert(bus, "bb00", "db", age=10, kind=Kind.OOM)
    alert(bus, "aa00", "web", age=15)
    assert offer(f"hemostat {command} ") == [("plain", "bb00", "oom db"), ("plain", "aa00", "exited web")]


@pytest.mark.redis
@pytest.mark.parametrize("command", ["approve", "reject"])
def test_only_pending_approvals_are_offered(bus, offer, command):
    controls, now = RedisControls(bus._client), time.time()
    for name, ends in {"a1": 60, "a2": 60, "old": -1}.items():
        controls.request_approval(
            Approval(
                id=name, key=name, incident="i", host="h1", container="web", action=Action.RESTART,
                asked=now - 5, until=now + ends,
            )
        )  # fmt: skip
    controls.answer_approval("a2", ApprovalAnswer.REJECTED, by="me", reason="", now=now)
    assert offer(f"hemostat {command} ") == [("plain", "a1", "restart web")]


def test_settings_are_offered_without_secrets(values):
    assert values("hemostat --set ") == [f"{key}=" for key in FIELDS if key not in SECRET_KEYS]
    assert values("hemostat status --set monitor.cp") == ["monitor.cpu="]
    assert values("hemostat --set responder.mode=") == [
        f"responder.mode={each}" for each in ("auto", "approve", "dry-run")
    ]
    assert values("hemostat --set store.compact=t") == ["store.compact=true"]
    assert values("hemostat --set=store.compact=t") == ["--set=store.compact=true"]
    assert values("hemostat config show trust") == ["trust", "trust.labels"]


def test_demos_are_offered(values):
    assert values("hemostat demo ") == [*SCENARIOS, "list"]


@pytest.mark.parametrize(
    "line", ["-c ", "--log-file ", "tui --replay ", "config init --path ", "analyze --once "]
)
def test_a_file_is_completed_by_the_shell(offer, line):
    assert [kind for kind, *_ in offer(f"hemostat {line}")] == ["file"]


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("hemostat --set responder.mode = a", 4, ["plain,auto", "plain,approve"]),
        ("hemostat --set responder.mode =", 3, ["plain,auto", "plain,approve", "plain,dry-run"]),
        ("hemostat --set = trust.labels = c", 5, ["plain,compose"]),
        ("hemostat --set monitor.cpu = 90 conf", 5, ["plain,config"]),
    ],
)
def test_bash_gets_only_what_follows_the_equals_sign(hemostat, environ, words, position, expected):
    environ.setattr(complete, "MAX_SECONDS", 60.0)
    environ.setenv("_HEMOSTAT_COMPLETE", "bash_complete")
    environ.setenv("COMP_WORDS", words)
    environ.setenv("COMP_CWORD", str(position))
    assert hemostat().out.split() == expected


@pytest.mark.redis
def test_name_that_a_shell_could_expand_is_not_offered(bus, values):
    show(bus, "fine-1.x_y")
    hostile = (
        "*",
        "a b",
        "$(id)",
        "`id`",
        "a;b",
        "-rf",
        "../x",
        "a\nplain",
        "\x1b[2J",
        "a,b",
        "ä",
        "x" * 300,
    )
    show(bus, *hostile)
    show(bus, "web", host="*")
    alert(bus, "$(id)")
    alert(bus, "c0de", "we\x1b[2Jb,\n:\\x")
    assert values("hemostat order restart ") == ["h1/fine-1.x_y"]
    assert values("hemostat pause --container ") == ["fine-1.x_y", "web"]
    assert values("hemostat explain ") == ["c0de"]


@pytest.mark.redis
def test_help_is_one_printable_line(bus, offer):
    alert(bus, "c0de", "we\x1b[2Jb,\n:\\x" + "y" * 100)
    [(_, _, text)] = offer("hemostat explain ")
    assert text.isprintable()
    assert len(text) <= 60
    assert offer("hemostat explain ", "fish") == [f"plain,c0de\t{text}"]


@pytest.mark.redis
def test_number_of_offered_names_is_bounded(bus, values):
    show(bus, *(f"web-{number}" for number in range(900)))
    assert len(values("hemostat order restart ")) == 500


@pytest.mark.redis
def test_unreadable_values_hide_no_others(bus, values):
    show(bus, "web")
    alert(bus, "c0de")
    raw = bus._client.raw
    raw.zadd("hemostat:live:container_stats", {b"hemostat:stats:\xff\xff": 9e12, b"other": 9e12})
    raw.xadd("hemostat:health_alert", {"event": b"\xff[" * 1000})
    raw.xadd("hemostat:health_alert", {"other": "x"})
    raw.hset("hemostat:approvals", "k", "[" * 5000)
    assert values("hemostat order restart ") == ["web"]
    assert values("hemostat explain ") == ["c0de"]
    assert values("hemostat approve ") == []


LINES = (
    "order restart ",
    "explain ",
    "approve ",
    "history --project ",
    "--set mo",
    "explain --nonsense ",
    "-c /none explain ",
)


AS_A_SHELL_DOES = ("-m", "hemostat")


def ask(environment, line, program=("-c", f"{WITHOUT_BOUNDS}sys.exit(run([]))"), **more):
    """A shell's request to a process of its own: what it wrote, and the seconds that it took."""
    request = {
        "_HEMOSTAT_COMPLETE": "bash_complete",
        "COMP_WORDS": f"hemostat {line}",
        "COMP_CWORD": str(len(line.split(" "))),
    }
    began = time.monotonic()
    answer = subprocess.run(
        [sys.executable, *program],
        env={**os.environ, **environment, **request, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip(), answer.stderr, time.monotonic() - began


@pytest.mark.parametrize("line", LINES)
def test_nothing_is_written_to_stderr_without_redis(environ, line):
    out, err, _ = ask({"HEMOSTAT_REDIS_URL": "redis://127.0.0.1:1", "HEMOSTAT_BUGDET": "1"}, line)
    assert err == ""
    assert bool(out) is (line == "--set mo")


@pytest.mark.parametrize(("variable", "value"), [("COMP_CWORD", ""), ("COMP_CWORD", "x"), ("COMP_WORDS", "")])
def test_nothing_is_written_for_a_broken_request(environ, variable, value):
    out, err, _ = ask({}, "explain ", **{variable: value})
    assert err == ""
    assert not out or variable == "COMP_WORDS"


def test_nothing_is_offered_for_an_invalid_configuration(environ, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("nonsense")
    assert ask({}, f"-c {file} explain ")[:2] == ("", "")


@pytest.fixture
def mute_server():
    """A server that accepts connections and never answers, and one whose answer has no end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_server_that_does_not_answer_is_given_up(environ, mute_server):
    port = mute_server.getsockname()[1]
    out, err, seconds = ask({"HEMOSTAT_REDIS_URL": f"redis://127.0.0.1:{port}"}, "explain ", AS_A_SHELL_DOES)
    assert (out, err) == ("", "")
    assert seconds < 15


def test_endless_reply_is_given_up(environ, mute_server):
    def flood():
        connection, _ = mute_server.accept()
        try:
            connection.sendall(b"*1000000\r\n")
            while True:
                connection.sendall(b"$4\r\nabcd\r\n" * 10_000)
        except OSError:
            connection.close()

    threading.Thread(target=flood, daemon=True).start()
    port = mute_server.getsockname()[1]
    assert ask({"HEMOSTAT_REDIS_URL": f"redis://127.0.0.1:{port}"}, "explain ")[:2] == ("", "")


def test_process_ends_if_something_hangs(environ, tmp_path):
    pipe = tmp_path / "pipe.py"
    pipe.write_text("import time\ntime.sleep(100)\n")
    code = (
        "import sys\nfrom hemostat.cli.completion import complete, names\n"
        "complete.MAX_SECONDS = 0.2\nimport hemostat.config, time\n"
        "hemostat.config.load = lambda *_, **__: time.sleep(100)\n"
        "from hemostat.cli.main import run\nsys.exit(run([]))"
    )
    request = {"_HEMOSTAT_COMPLETE": "bash_complete", "COMP_WORDS": "hemostat explain ", "COMP_CWORD": "2"}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **request},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == (b"", b"")


@pytest.mark.redis
def test_login_of_the_settings_is_used(environ, values, tmp_path):
    word = "p w"
    server = EmbeddedRedis(tmp_path / "other")
    client = connect(server.ensure_running())
    try:
        show(RedisBus(client), "web")
        client.raw.acl_setuser("me", enabled=True, passwords=[f"+{word}"], keys=["*"], commands=["+@all"])
        client.raw.config_set("requirepass", word)
        url = f"unix://{tmp_path}/other/redis.sock"
        environ.setenv("HEMOSTAT_REDIS_URL", url)
        assert values("hemostat pause --container ") == []
        environ.setenv("HEMOSTAT_REDIS_URL", url.replace("//", "//me:p%20w@"))
        assert values("hemostat pause --container ") == ["web"]
        environ.setenv("HEMOSTAT_REDIS_URL", url)
        environ.setenv("HEMOSTAT_REDIS_PASSWORD", word)
        assert values("hemostat pause --container ") == ["web"]
    finally:
        connect(server.url, password=word).raw.shutdown(nosave=True)
        client.close()


def test_completion_imports_no_client_library(environ):
    code = f"{WITHOUT_BOUNDS}run([])\nprint(*sys.modules, file=sys.stderr)"
    for line in LINES[:4]:
        request = {"_HEMOSTAT_COMPLETE": "bash_complete", "COMP_WORDS": f"hemostat {line}", "COMP_CWORD": "3"}
        ended = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **request},
            capture_output=True,
            text=True,
            check=True,
        )
        slow = {"redis", "hemostat.app", "hemostat.core.redact", "sqlalchemy", "rich", "asyncio"}
        assert slow.isdisjoint(ended.stderr.split())


FREE_TEXT = {"reason", "by", "only", "notify", "bind", "public_url", "noted_head", "test"}
"""Parameters whose value no list can name."""


def list_parameters(command):
    yield from command.params
    for child in getattr(command, "commands", {}).values():
        yield from list_parameters(child)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_name_in_a_command_can_be_completed(name):
    command = program.get_command(click.Context(program), name)
    plain = {
        each.name
        for each in list_parameters(command)
        if isinstance(each.type, click.types.StringParamType)
        and not getattr(each, "hidden", False)
        and each._custom_shell_complete is None
    }
    assert plain <= FREE_TEXT


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed(hemostat, environ, shell):
    script = hemostat("completion", shell)
    assert (script.code, script.err) == (0, "")
    environ.setenv("_HEMOSTAT_COMPLETE", f"{shell}_source")
    assert hemostat().out == script.out
    assert "_HEMOSTAT_COMPLETE" in script.out


@pytest.mark.redis
def test_bash_completes_with_the_script(bus, environ, tmp_path):
    """What a bash of its own has in COMPREPLY, in a directory with files that a pattern would match."""
    if not Path("/bin/bash").exists():
        missing("there is no bash")
    show(bus, "web", "db")
    main = tmp_path / "main.py"
    main.write_text(f"{WITHOUT_BOUNDS}sys.exit(run(sys.argv[1:]))")
    program = tmp_path / "bin" / "hemostat"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {main} "$@"\n')
    program.chmod(0o755)
    script = """
source <(hemostat completion bash)
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); compopt() { echo "compopt $*"; }
  _hemostat_completion hemostat "${@: -1}" "${@: -2:1}"; printf '%s\\n' "${COMPREPLY[@]}"; echo --; }
try hemostat order restart ''
try hemostat --set responder.mode = au
try hemostat --set trust.l
"""
    shell = subprocess.run(
        ["/bin/bash", "--norc", "-c", script],
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert shell.stderr == ""
    assert shell.stdout.split("--\n") == [
        "db\nweb\n",
        "auto\n",
        "compopt -o nospace\ntrust.labels=\n",
        "",
    ]


@pytest.mark.parametrize(
    ("shell", "environ", "path"),
    [
        ("bash", {}, "/home/ann/.local/share/bash-completion/completions/hemostat"),
        ("bash", {"XDG_DATA_HOME": "/data"}, "/data/bash-completion/completions/hemostat"),
        ("bash", {"BASH_COMPLETION_USER_DIR": "/own"}, "/own/completions/hemostat"),
        ("bash", {"XDG_DATA_HOME": "data"}, "/home/ann/.local/share/bash-completion/completions/hemostat"),
        ("zsh", {}, "/home/ann/.local/share/zsh/site-functions/_hemostat"),
        ("fish", {}, "/home/ann/.config/fish/completions/hemostat.fish"),
        ("fish", {"XDG_CONFIG_HOME": "/config"}, "/config/fish/completions/hemostat.fish"),
    ],
)
def test_script_is_installed_where_the_shell_looks(shell, environ, path):
    assert str(find_script_path(shell, environ, Path("/home/ann"))) == path


def test_installed_script_is_the_printed_one_and_replaces_the_earlier(hemostat, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("BASH_COMPLETION_USER_DIR", raising=False)
    path = tmp_path / "bash-completion" / "completions" / "hemostat"
    path.parent.mkdir(parents=True)
    path.write_text("earlier")
    result = hemostat("completion", "bash", "--install")
    assert (result.code, result.out) == (0, f"wrote {path}; new shells complete hemostat\n")
    assert path.read_text() == hemostat("completion", "bash").out


def test_script_that_cannot_be_written_is_an_error_of_one_line(hemostat, tmp_path, monkeypatch):
    (tmp_path / "zsh").write_text("a file in place of the directory")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    result = hemostat("completion", "zsh", "--install")
    assert result.code == 2
    assert result.err.startswith(f"hemostat: {tmp_path}/zsh/site-functions/_hemostat cannot be written: ")
    assert len(result.err.splitlines()) == 1
