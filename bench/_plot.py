"""Bars in a hand-written SVG: one group a load, one bar a program."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLOURS: Final = (
    "#7a8794",
    "#c2410c",
    "#0f766e",
    "#4338ca",
    "#a16207",
    "#be185d",
    "#ea580c",
    "#6d28d9",
)
_LEFT, _WIDTH, _BAR, _GAP, _TOP = 290, 640, 16, 22, 40
_LONGEST: Final = 8.0  # one slow program must not make all others look alike


def bars(title: str, groups: Mapping[str, Mapping[str, tuple[float, str]]]) -> str:
    """The picture.

    Shape: groups are load → program → (number, words behind it). A bar too long for the picture is
    cut, and its number tells.
    """
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    scale = _WIDTH * 0.6 / _LONGEST
    out, y = [], _TOP
    for load, group in groups.items():
        out.append(f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(load)}</text>')
        for name, (number, words) in group.items():
            length = min(number, _LONGEST) * scale
            colour = _COLOURS[names.index(name) % len(_COLOURS)]
            box = f'x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR - 3}"'
            label = f"{name} {number:.2f} ({words})"
            out += [
                f'<rect {box} fill="{colour}"/>',
                f'<text x="{_LEFT + length + 6:.1f}" y="{y + 11}">{escape(label)}</text>',
            ]
            y += _BAR
        y += _GAP
    one = _LEFT + scale
    line = f'<line x1="{one:.1f}" y1="{_TOP - 6}" x2="{one:.1f}" y2="{y - _GAP}" stroke="#7a8794"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH} {y}"'
        ' font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="10" y="22" font-size="15">{escape(title)}</text>{line}{"".join(out)}</svg>\n'
    )
