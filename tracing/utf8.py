"""Text as Zipkin reads it. Pure."""

import codecs
import re
from typing import Final

# A half of a surrogate pair, written as UTF-8 must not write it.
_SURROGATE: Final = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_NAME: Final = "weir.utf8"


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    surrogate = _SURROGATE.match(error.object, error.start)
    return "\ufffd", error.end if surrogate is None else surrogate.end()


codecs.register_error(_NAME, _mark)


def text(raw: bytes) -> str:
    """A string; each run of bytes that is no UTF-8 becomes U+FFFD.

    Java takes half a surrogate pair for one such run, Python for three.
    """
    return raw.decode("utf-8", _NAME)
