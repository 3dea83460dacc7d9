"""An engine behind TLS: a real `dockerd --tlsverify`, and the files that name whom to trust."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.docker_engine.address import find_address, find_risk
from hemostat.adapters.docker_engine.tls import Tls
from hemostat.errors import EngineUnreachableError
from tests.support.certificates import make_authority, make_certificate, openssl
from tests.support.engine_fixtures import engine_is_required, eventually
from tests.support.lab.namespace_relay import NamespaceRelay
from tests.support.lab.private_engine import PrivateEngine

PORT = 2376
VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch, tmp_path):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    settings = tmp_path / ".docker"
    settings.mkdir()
    (settings / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(settings))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    """A directory with an authority, and certificates of the engine and of a client."""
    directory = tmp_path_factory.mktemp("tls")
    make_authority(directory)
    for name in ("server", "cert"):
        make_certificate(directory, name)
    shutil.copy(directory / "cert.key", directory / "key.pem")
    return directory


@pytest.fixture(scope="module")
def secured(keys: Path) -> Iterator[str]:
    """The address of a dockerd that requires certificates. Without dockerd, a laptop skips and CI fails."""
    if os.geteuid() or not all(map(shutil.which, ("dockerd", "unshare", "ip"))):
        problem = "a private engine needs root, dockerd, unshare and ip"
        if engine_is_required() and not os.geteuid():
            pytest.fail(problem)
        pytest.skip(problem)
    files = {"tlscacert": "ca.pem", "tlscert": "server.pem", "tlskey": "server.key"}
    options = [f"--{option}={keys / name}" for option, name in files.items()]
    private = PrivateEngine("--tlsverify", *options, f"--host=tcp://127.0.0.1:{PORT}")
    with closing(private), closing(NamespaceRelay(private.daemon_process, PORT)) as relay:
        yield f"tcp://127.0.0.1:{relay.port}"


def files(keys: Path, **changes: str) -> Tls:
    return Tls(**{name: str(keys / f"{name[:-5]}.pem") for name in Tls._fields[:3]} | changes)


def refusal(url: str, tls: Tls | None = None) -> str:
    with pytest.raises(EngineUnreachableError) as raised:
        DockerEngine.connect(url, 5.0, tls=tls)
    assert not raised.value.transient
    assert "\n" not in str(raised.value)
    return str(raised.value)


# --- a real engine ----------------------------------------------------------------------------------------


@pytest.mark.docker
def test_engine_is_used_with_the_files_of_the_settings(secured: str, keys: Path, monkeypatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/dev/null")
    with closing(DockerEngine.connect(secured, tls=files(keys))) as engine:
        assert engine.version().local is None
        assert engine.list_containers() == []


@pytest.mark.docker
def test_engine_is_used_with_the_variables_of_docker(secured: str, keys: Path, monkeypatch) -> None:
    for name, value in {"HOST": secured, "TLS_VERIFY": "1", "CERT_PATH": str(keys)}.items():
        monkeypatch.setenv(f"DOCKER_{name}", value)
    DockerEngine.connect().close()


@pytest.mark.docker
def test_engine_is_used_with_the_files_of_a_context(secured: str, keys: Path, monkeypatch) -> None:
    save_context(monkeypatch, secured, keys, "ca.pem", "cert.pem", "key.pem")
    DockerEngine.connect().close()


@pytest.mark.docker
def test_engine_of_another_authority_is_refused(secured: str, keys: Path, tmp_path: Path) -> None:
    make_authority(tmp_path)
    text = refusal(secured, files(keys, ca_file=str(tmp_path / "ca.pem")))
    assert "its certificate is rejected" in text
    assert "set engine.ca_file" in text


@pytest.mark.docker
def test_engine_of_another_name_is_refused(secured: str, keys: Path) -> None:
    text = refusal(secured.replace("127.0.0.1", "localhost"), files(keys))
    assert "localhost" in text
    assert "use the certificate's host name in the address" in text


@pytest.mark.docker
def test_missing_client_certificate_is_named(secured: str, keys: Path) -> None:
    # The engine closes at once: whether its reason is read before that is chance.
    tls = Tls(ca_file=str(keys / "ca.pem"))
    eventually(lambda: "requires a client certificate" in refusal_of_any_kind(secured, tls))


def refusal_of_any_kind(url: str, tls: Tls) -> str:
    with pytest.raises(EngineUnreachableError) as raised:
        DockerEngine.connect(url, 5.0, tls=tls)
    return str(raised.value)


@pytest.mark.docker
def test_engine_that_requires_tls_is_named(secured: str) -> None:
    text = refusal(secured)
    assert "it requires TLS" in text
    assert "set engine.ca_file, engine.cert_file and engine.key_file" in text


@pytest.mark.parametrize(
    ("url", "encrypted", "verified", "risk"),
    [
        ("unix:///x.sock", False, True, ""),
        ("ssh://far", False, True, ""),
        ("tcp://127.0.0.2:2375", False, True, ""),
        ("tcp://[::1]:2375", False, True, ""),
        ("tcp://localhost:2376", True, False, ""),
        ("tcp://10.0.0.7:2375", False, True, "the connection is not encrypted"),
        ("tcp://[fd00::1]:2375", False, True, "the connection is not encrypted"),
        ("tcp://127.0.0.1.example.org:2375", False, True, "the connection is not encrypted"),
        ("tcp://far:2376", True, True, ""),
        ("https://far:2376", False, True, ""),
        ("tcp://far:2376", True, False, "the engine's certificate is not verified"),
    ],
)
def test_connection_that_others_could_change_is_a_risk(url, encrypted, verified, risk) -> None:
    assert find_risk(url, encrypted=encrypted, verified=verified) == risk


# --- the files --------------------------------------------------------------------------------------------


def find_tls(url: str | None = "tcp://127.0.0.1:9", tls: Tls | None = None):
    return find_address(url, tls).get("tls")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key_file": ""}, "engine.cert_file needs engine.key_file too"),
        ({"cert_file": ""}, "engine.key_file needs engine.cert_file too"),
        ({"ca_file": "/tmp/none.pem"}, "engine.ca_file: /tmp/none.pem cannot be read: No such file"),
        ({"cert_file": "/tmp"}, "engine.cert_file: /tmp is a directory, not a file"),
        ({"ca_file": "KEYS/key.pem"}, "engine.ca_file: KEYS/key.pem cannot be used: no certificate or crl"),
        (
            {"key_file": "KEYS/server.key"},
            "cannot be used with the key of engine.key_file: key values mismatch",
        ),
        ({"key_file": "KEYS/secret.key"}, "cannot be used with the key of engine.key_file"),
    ],
)
def test_unusable_file_is_named_with_its_setting(keys: Path, changes, message) -> None:
    openssl(keys, "ec", "-in", "key.pem", "-aes256", "-passout", "pass:long-one", "-out", "secret.key")
    tls = files(keys, **{name: value.replace("KEYS", str(keys)) for name, value in changes.items()})
    assert message.replace("KEYS", str(keys)) in refusal("tcp://127.0.0.1:9", tls)


def test_files_for_a_socket_are_refused(keys: Path) -> None:
    assert "engine.ca_file is set, but unix:///x.sock does not use TLS" in refusal(
        "unix:///x.sock", files(keys)
    )


@pytest.mark.parametrize(("variable", "verify"), [("DOCKER_TLS_VERIFY", True), ("DOCKER_TLS", False)])
def test_variables_mean_what_they_mean_to_docker(keys: Path, monkeypatch, variable, verify) -> None:
    monkeypatch.setenv("DOCKER_CERT_PATH", str(keys))
    assert find_tls() is None
    monkeypatch.setenv(variable, "")
    assert find_tls() is None
    monkeypatch.setenv(variable, "0")
    assert find_tls().verify is verify
    assert find_tls().ca_cert == str(keys / "ca.pem")


def test_settings_precede_the_variables(keys: Path, monkeypatch, tmp_path: Path) -> None:
    make_authority(tmp_path)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(keys))
    config = find_tls(tls=Tls(ca_file=str(tmp_path / "ca.pem")))
    assert (config.ca_cert, config.cert) == (str(tmp_path / "ca.pem"), None)


def save_context(monkeypatch, host: str, keys: Path, *names: str, skip: bool = False) -> None:
    from docker.context import Context
    from docker.context.config import get_tls_dir

    context = Context("far", endpoints={"docker": {"Host": host, "SkipTLSVerify": skip}})
    context.save()
    directory = Path(get_tls_dir("far", "docker"))
    for name in names:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(keys / name, directory / name)
    monkeypatch.setenv("DOCKER_CONTEXT", "far")


@pytest.mark.parametrize("skip", [False, True])
def test_context_with_an_authority_alone_uses_tls(keys: Path, monkeypatch, skip) -> None:
    save_context(monkeypatch, "tcp://127.0.0.1:9", keys, "ca.pem", skip=skip)
    config = find_tls(None)
    assert Path(config.ca_cert).name == "ca.pem"
    assert (config.cert, config.verify) == (None, not skip)


def test_context_without_files_uses_no_tls(keys: Path, monkeypatch) -> None:
    save_context(monkeypatch, "tcp://127.0.0.1:9", keys)
    assert find_tls(None) is None


def test_unusable_file_of_a_context_is_named(keys: Path, monkeypatch) -> None:
    save_context(monkeypatch, "tcp://127.0.0.1:9", keys, "ca.pem", "cert.pem")
    with pytest.raises(EngineUnreachableError, match=r"cert\.pem of docker context far needs key\.pem"):
        find_address(None)
