"""Every way to spoil the name Transfer-Encoding or its value, byte by byte.

The mutations are those of the smuggler tool: a byte before, within, behind the name or the value.
"""

from __future__ import annotations

import pytest

from tests.kits.conversation import Conversation

_NAME, _VALUE = b"Transfer-Encoding", b"chunked"
# Not CR LF, which ends the line, nor letters, which make it another name.
_BYTES = [bytes([code]) for code in (*range(0x01, 0x21), *range(0x7F, 0x100))]
_PLACES = {
    "before the name": b"%b" + _NAME + b": " + _VALUE,
    "behind the name": _NAME + b"%b: " + _VALUE,
    "before the value": _NAME + b":%b" + _VALUE,
    "behind the value": _NAME + b": " + _VALUE + b"%b",
    "behind another line": b"X: X%b" + _NAME + b": " + _VALUE,
    "behind CR in another line": b"X: X\r%b" + _NAME + b": " + _VALUE,
    "behind LF in another line": b"X: X\n%b" + _NAME + b": " + _VALUE,
    "before CR and the end": _NAME + b": " + _VALUE + b"%b\r",
    "before LF and another line": _NAME + b": " + _VALUE + b"%b\nX: X",
}


@pytest.mark.parametrize("place", _PLACES)
async def test_a_spoilt_coding_is_refused_or_frames_nothing(place: str) -> None:
    """Beside a length of 5: who read the coding would find another request behind `0`."""
    taken = 0
    for spoiler in _BYTES:
        line = _PLACES[place] % spoiler
        talk = Conversation().say(
            [
                b"POST / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\nContent-Length: 5\r\n\r\n"
                b"0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n"
            ]
        )
        talk.end()
        if not talk.seen:
            assert b" 400 " in talk.client.written, line
            continue
        taken += 1
        assert [(one.target, one.body) for one in talk.seen] == [
            (b"/", b"0\r\n\r\n"),
            (b"/next", b""),
        ], line
        assert b"transfer-encoding" not in [name for name, _ in talk.seen[0].headers], line
    # Only where the byte makes the line a value of another name may it pass.
    assert (taken > 0) is (place == "behind another line")
