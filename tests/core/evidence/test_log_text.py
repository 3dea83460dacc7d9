"""What is left of a program's output on a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.evidence.log_text import remove_controls, render_final_text

PULL = (
    "a1: Waiting\r\nb2: Waiting\r\n"
    "\x1b[2A\x1b[2K\ra1: Downloading [=>  ] 1MB\r\x1b[2B"
    "\x1b[1A\x1b[2K\rb2: Pull complete\r\x1b[1B"
    "\x1b[2A\x1b[2K\ra1: Pull complete\r\x1b[2BStatus: done\r\n"
)


@pytest.mark.parametrize(
    ("printed", "left"),
    [
        ("plain\nlines\n", "plain\nlines\n"),
        ("\x1b[31mred\x1b[0m \x1b[38;5;208mmore\x1b[m", "red more"),
        ("\r  0 %\r 50 %\r100 %\n", "100 %\n"),
        ("100 %\r5", "5"),
        ("spinning |\r", "spinning |"),
        ("tty line\r\nanother\r\n", "tty line\nanother\n"),
        ("10%\b\b\b20%", "20%"),
        ("b\bbo\bol\bld", "bold"),
        ("gone\x1b[2K\rthere", "there"),
        ("gone\r\x1b[Kthere", "there"),
        ("gone\r\x1b[K\n", "\n"),
        (PULL, "a1: Pull complete\nb2: Pull complete\nStatus: done\n"),
        ("one\ntwo\n\x1b[2F\x1b[Jnew", "new"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\text", "text"),
        ("\x9b31mred\x1b(B", "red"),
        ("bell\x07 nul\x00 del\x7f c1\x85\x1b", "bell nul del c1"),
        ("form\ffeed\vtab\t|", "form\nfeed\ntab\t|"),
        ("password=\rhunter2", "password=hunter2"),
        ("\x1b[999999999A\x1b[999999999Bx", "\nx"),
    ],
)
def test_carriage_returns_are_applied(printed, left):
    assert render_final_text(printed) == left


def test_value_is_not_treated_as_overwritten():
    assert remove_controls("a\rb\x1b[31mc\b") == "abc"


@given(st.text(st.sampled_from("ab\r\n\b\x1b[]2;KAJFm\x07\x9b\0é")))
def test_control_sequences_are_removed(printed):
    left = render_final_text(printed)
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", left) is None
    assert left.count("\n") <= printed.count("\n") + sum(map(printed.count, "BE"))


@pytest.mark.parametrize(
    ("text", "screen"),
    [
        ("one\rtwo", "two"),
        ("one\ntwo\rthree", "one\nthree"),
        ("one\btwo", "ontwo"),
        ("one\ntwo\x1b[Athree", "onethree\ntwo"),
        ("one\ntwo\x1b[1Fthree", "three\ntwo"),
        ("a\nb\nc\x1b[2Ad", "ad\nb\nc"),
        ("a\nb\nc\x1b[9Fd", "d\nb\nc"),
        ("a\nb\x1b[A\x1b[Bc", "a\nbc"),
        ("a\x1b[Bb", "a\nb"),
        ("a\x1b[9Bb", "a\nb"),
        ("a\nb\x1b[2F\x1b[Jc", "c"),
        ("a\nb\x1b[2F\x1b[0Jc", "c"),
        ("a\nb\x1b[2F\x1b[1Jc", "c\nb"),
        ("one\x1b[Gtwo", "two"),
        ("one\x1b[1Gtwo", "two"),
        ("one\x1b[2Gtwo", "onetwo"),
        ("one\r\x1b[Ktwo", "two"),
        ("one\x1b[Ktwo", "onetwo"),
        ("one\x1b[2Ktwo", "two"),
        ("one\r\x1b[1Ktwo", "two"),
        ("one\r\x1b[K", ""),
        ("one\x1b[2K", ""),
        ("one\x1b[1K", "one"),
        ("password=\rhunter", "password=hunter"),
        ("password: \rhunter", "password: hunter"),
        ("x\x1b[31my\x1b[0m", "xy"),
        ("x\x1b]0;title\x07y", "xy"),
        ("a\r\nb\vc\fd", "a\nb\nc\nd"),
        ("a\x00b", "ab"),
    ],
)
def test_text_is_as_the_terminal_shows_it_at_last(text, screen):
    assert render_final_text(text) == screen
