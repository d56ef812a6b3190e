"""Frames: any split of the bytes gives the same frames, and random bytes only our error."""

from __future__ import annotations

import contextlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wire.frames import (
    AWAY,
    END,
    PAYLOAD_BYTES_MAX,
    RESET,
    STREAM_MAX,
    WINDOW_BYTES,
    BadFrame,
    FrameReader,
    control_frame,
    data_frame,
    window_frame,
)

numbers = st.integers(1, STREAM_MAX)
frames = st.one_of(
    st.builds(data_frame, numbers, st.binary(min_size=1, max_size=300)),
    st.builds(control_frame, st.sampled_from([END, RESET]), numbers),
    st.builds(window_frame, numbers, st.integers(1, WINDOW_BYTES)),
    st.just(control_frame(AWAY, 0)),
)


@given(st.lists(frames, max_size=8), st.data())
def test_any_split_gives_the_same_frames(written: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(written)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    reader = FrameReader()
    split = [frame for a, b in pairwise([0, *cuts, len(raw)]) for frame in reader.feed(raw[a:b])]
    assert split == FrameReader().feed(raw)
    assert len(split) == len(written)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_random_bytes_raise_nothing_but_our_error(pieces: list[bytes]) -> None:
    reader = FrameReader()
    with contextlib.suppress(BadFrame):
        for piece in pieces:
            reader.feed(piece)


def test_a_reader_keeps_no_more_than_one_frame() -> None:
    reader = FrameReader()
    whole = data_frame(1, b"x" * PAYLOAD_BYTES_MAX)
    assert reader.feed(whole[:-1]) == []
    assert [len(payload) for _, _, payload in reader.feed(whole[-1:])] == [PAYLOAD_BYTES_MAX]
