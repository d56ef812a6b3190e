"""The text of `l5d-err`: the message, form-url-encoded as Java's URLEncoder does with ISO-8859-1.

Source: Linkerd 1.7.5; blank is `+`, letters, digits and `.-*_` stay, the rest is `%HH`, what
Latin-1 lacks is `?`.
"""

from __future__ import annotations

from urllib.parse import quote_from_bytes

# Linkerd cuts at maxHeadersKB, which is 8 by default.
ERR_CHARACTERS_MAX = 8_192


def encode_err(message: str) -> bytes:
    """The header value for this message, at most 8,192 characters."""
    quoted = quote_from_bytes(message.encode("latin-1", "replace"), safe=" *")
    return quoted.replace(" ", "+").replace("~", "%7E")[:ERR_CHARACTERS_MAX].encode("ascii")
