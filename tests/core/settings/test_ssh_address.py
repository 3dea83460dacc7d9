"""Addresses for ssh: what ssh or a shell could interpret is refused."""

import pytest

from hemostat.core.settings.ssh_address import SshAddress, find_remote_host, is_ssh, parse_ssh_address

PODMAN = "/run/podman/podman.sock"


@pytest.mark.parametrize(
    ("url", "expected", "destination", "command"),
    [
        ("ssh://web1", SshAddress("web1"), ("--", "web1"), "ssh web1"),
        ("SSH://web1/", SshAddress("web1"), ("--", "web1"), "ssh web1"),
        (
            "ssh://me@web1.example.org:2222",
            SshAddress("web1.example.org", "me", 2222),
            ("-l", "me", "-p", "2222", "--", "web1.example.org"),
            "ssh -p 2222 me@web1.example.org",
        ),
        ("ssh://a@b@Web_1", SshAddress("Web_1", "a@b"), ("-l", "a@b", "--", "Web_1"), "ssh a@b@Web_1"),
        (f"ssh://h{PODMAN}", SshAddress("h", socket=PODMAN), ("--", "h"), "ssh h"),
        ("ssh://[::1]:22", SshAddress("::1", "", 22), ("-p", "22", "--", "::1"), "ssh -p 22 ::1"),
        ("ssh://[fe80::1%eth0]", SshAddress("fe80::1%eth0"), ("--", "fe80::1%eth0"), "ssh fe80::1%eth0"),
    ],
)
def test_address_names_host_user_port_and_socket(url, expected, destination, command):
    address = parse_ssh_address(url)
    assert address == expected
    assert address.destination == destination
    assert address.command == command
    assert parse_ssh_address(str(address)) == address


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ssh://", "host"),
        ("ssh://me@", "host"),
        ("ssh://-oProxyCommand=x", "host"),
        ("ssh://-L1:2:3@h", "user"),
        ("ssh://@h", "user"),
        ("ssh://a b@h", "user"),
        ("ssh://`id`@h", "user"),
        ("ssh://h ost", "host"),
        ("ssh://h\n", "host"),
        ("ssh://h;id", "host"),
        ("ssh://h?x=1", "host"),
        ("ssh://%h", "host"),
        ("ssh://[nonsense]", "host"),
        ("ssh://::1", "port|host"),
        ("ssh://me:secret@h", "a password is not possible"),
        ("ssh://h:", "port"),
        ("ssh://h:0", "port"),
        ("ssh://h:65536", "port"),
        ("ssh://h:99999999999999999999", "port"),
        ("ssh://h:\u0661", "port"),
        ("ssh://h/a:b", "socket"),
        ("ssh://h/a b", "socket"),
        ("ssh://h/$HOME/x", "socket"),
        ("ssh://h/%h", "socket"),
        ("ssh://h//x", "socket"),
        ("ssh://h/x/", "socket"),
        ("ssh://h/x\n", "socket"),
        (f"ssh://h/{'x' * 107}", "socket"),
    ],
)
def test_address_that_ssh_could_misread_is_refused(url, message):
    with pytest.raises(ValueError, match=message) as raised:
        parse_ssh_address(url)
    assert "secret" not in str(raised.value)
    assert find_remote_host(url) == ""


def test_other_addresses_are_not_for_ssh():
    assert not is_ssh("tcp://h:2376")
    assert not is_ssh("unix:///x.sock")
    assert find_remote_host("tcp://h:2376") == ""
    assert find_remote_host("ssh://me@web1:22/x.sock") == "web1"
    assert [find_remote_host(f"ssh://{host}:22") for host in ("127.0.0.1", "localhost", "[::1]")] == [""] * 3
