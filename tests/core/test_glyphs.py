import pytest
from rich.cells import cell_len

from hemostat.core.glyphs import ASCII_FALLBACK, to_ascii


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("✓ healthy ✗ dead ● running", "+ healthy x dead * running"),
        ("███·····", "###....."),
        ("┌─┐│┤└", "+-+||+"),
        ("café naïve", "cafe naive"),
        ("32 → 64…", "32 > 64~"),
        ("\u2500\u257f\u2580\u259f\u2800\u28ff", "-+##**"),
    ],
)
def test_symbols_are_written_in_ascii(text, shown):
    assert to_ascii(text) == shown


@pytest.mark.parametrize("text", ["日本", "ﬁle", "½", "👍", "⠋", "e\N{COMBINING ACUTE ACCENT}", "Ж", "↵"])
def test_replacement_has_the_same_width(text):
    assert cell_len(to_ascii(text)) == cell_len(text)
    assert to_ascii(text).isascii()


def test_encodable_symbols_are_unchanged():
    assert "é · ✓".encode("latin-1", ASCII_FALLBACK) == b"\xe9 \xb7 +"
