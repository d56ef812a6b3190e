"""Bars in a hand-written SVG: one group a load, one bar a program, beside nginx's."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLOURS: Final = ("#7a8794", "#c2410c", "#0f766e", "#4338ca", "#a16207", "#be185d", "#15803d")
_LEFT, _WIDTH, _BAR, _GAP, _TOP = 210, 640, 16, 22, 40


def bars(title: str, groups: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """The picture.

    Shape: groups are load → program → number. A bar too long for the picture is cut, and its
    number tells.
    """
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    numbers = sorted(number for group in groups.values() for number in group.values())
    # One slow program must not make all others look alike.
    longest = numbers[int(len(numbers) * 0.85)] if numbers else 1.0
    out, y = [], _TOP
    for load, group in groups.items():
        out.append(f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(load)}</text>')
        for name, number in group.items():
            length = min(number / longest, 1.0) * _WIDTH * 0.7
            colour = _COLOURS[names.index(name) % len(_COLOURS)]
            label = f"{name} {number:.3g} {unit}"
            box = f'x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR - 3}"'
            out += [
                f'<rect {box} fill="{colour}"/>',
                f'<text x="{_LEFT + length + 6:.1f}" y="{y + 11}">{escape(label)}</text>',
            ]
            y += _BAR
        y += _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH} {y}"'
        ' font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="10" y="22" font-size="15">{escape(title)}</text>{"".join(out)}</svg>\n'
    )
