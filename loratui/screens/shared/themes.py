"""The colours of the program, dark and light."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="loratui-dark",
    primary="#7fb4ca",
    secondary="#8c98a8",
    accent="#7fb4ca",
    foreground="#d3d7de",
    background="#15181e",
    surface="#1b1f27",
    panel="#222731",
    success="#93bf85",
    warning="#dcb26b",
    error="#df7b7b",
    dark=True,
    variables={
        "footer-key-foreground": "#7fb4ca",
        "input-selection-background": "#7fb4ca 35%",
        "muted": "#8d97a6",
        "faint": "#5a6474",
        "line": "#39414e",
        "block-cursor-blurred-background": "#222731",
    },
)
LIGHT = Theme(
    name="loratui-light",
    primary="#1f6f8b",
    secondary="#5b6675",
    accent="#1f6f8b",
    foreground="#22262e",
    background="#f6f5f1",
    surface="#efede7",
    panel="#e4e1d9",
    success="#34702c",
    warning="#845808",
    error="#b02222",
    dark=False,
    variables={"muted": "#5d6673", "faint": "#8b93a0", "line": "#c5c1b6"},
)
