"""The dashboard's own themes: high contrast, dark and light.

Text has a contrast of at least 7:1 to its background (WCAG 2.2, success criterion 1.4.6, level AAA). The
colours are near those of a terminal with 16 colours, which shows the nearest ones.
"""

from collections.abc import Sequence
from typing import Final

from rich.terminal_theme import TerminalTheme
from textual.theme import BUILTIN_THEMES, Theme

Shade = tuple[int, int, int]
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_ON_BLACK: Final = (
    (255, 140, 140),
    (95, 255, 95),
    (255, 255, 95),
    (160, 190, 255),
    (255, 150, 255),
    (95, 255, 255),
    _WHITE,
)
"""Red, green, yellow, blue, magenta, cyan and white, as text on black."""
_ON_WHITE: Final = (
    (150, 0, 0),
    (0, 85, 0),
    (95, 70, 0),
    (0, 0, 170),
    (120, 0, 120),
    (0, 80, 90),
    _BLACK,
)
"""The same as text on white, where white itself must be seen, too."""


def _make_theme(name: str, *, dark: bool) -> Theme:
    paper, ink = ("#000000", "#ffffff") if dark else ("#ffffff", "#000000")
    accent, hover = ("#ffff5f", "#ffffff") if dark else ("#0000aa", "#000000")
    return Theme(
        name=name,
        primary=accent,
        secondary=accent,
        warning="#ffff5f" if dark else "#5f4600",
        error="#ff8c8c" if dark else "#960000",
        success="#5fff5f" if dark else "#005500",
        accent=accent,
        foreground=ink,
        background=paper,
        surface=paper,
        panel=paper,
        boost=paper,
        dark=dark,
        luminosity_spread=0.0,
        text_alpha=1.0,
        variables={
            "text": ink,
            "text-muted": ink,
            "text-disabled": ink,
            "foreground-muted": ink,
            "foreground-disabled": ink,
            "border": accent,
            "border-blurred": ink,
            "block-cursor-foreground": paper,
            "block-cursor-background": ink,
            "block-cursor-blurred-foreground": paper,
            "block-cursor-blurred-background": ink,
            "block-hover-background": paper,
            "footer-foreground": ink,
            "footer-background": paper,
            "footer-key-foreground": accent,
            "footer-description-foreground": ink,
            "input-cursor-foreground": paper,
            "input-cursor-background": ink,
            "input-selection-foreground": paper,
            "input-selection-background": accent,
            "screen-selection-foreground": paper,
            "screen-selection-background": accent,
            "scrollbar": ink,
            "scrollbar-hover": hover,
            "scrollbar-active": hover,
            "scrollbar-background": paper,
            "link-color": accent,
        },
    )


def _make_palette(paper: Shade, ink: Shade, shades: Sequence[Shade]) -> TerminalTheme:
    return TerminalTheme(paper, ink, [paper, *shades, ink], list(shades))


DARK_THEME: Final = _make_theme("high-contrast", dark=True)
LIGHT_THEME: Final = _make_theme("high-contrast-light", dark=False)
OWN_THEMES: Final = (DARK_THEME, LIGHT_THEME)
PALETTES: Final = {
    DARK_THEME.name: _make_palette(_BLACK, _WHITE, _ON_BLACK),
    LIGHT_THEME.name: _make_palette(_WHITE, _BLACK, _ON_WHITE),
}
"""What the colours that the dashboard names (`red`) look like, by theme."""


def list_theme_names() -> list[str]:
    return [*(theme.name for theme in OWN_THEMES), *BUILTIN_THEMES]
