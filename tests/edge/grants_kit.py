"""Grants for tests: good ones, and every kind of bad one."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization as to
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(header: Any, payload: Any, key: Ed25519PrivateKey) -> bytes:
    """A token of any content, JSON values or raw bytes."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    ]
    text = b".".join(map(b64, parts))
    return text + b"." + b64(key.sign(text))


def write_key(folder: Path, kid: str, key: Ed25519PrivateKey) -> None:
    folder.mkdir(exist_ok=True)
    pem = key.public_key().public_bytes(to.Encoding.PEM, to.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{kid}.pem").write_bytes(pem)


HEADER = {"alg": "EdDSA", "kid": "k1", "typ": "weir-grant+jwt"}


def claims(now: int, **more: Any) -> dict[str, Any]:
    return {
        "sub": "alice",
        "jti": "good",
        "nbf": now - 10,
        "exp": now + HOUR,
        "hosts": ["www.hello.world"],
        "dtab": "/host/world=>/srv/world-v2",
        **more,
    }


def tokens(now: int, key: Ed25519PrivateKey) -> dict[str, bytes]:
    """Tokens by name: `good…` must steer, every other one must not."""
    stranger = Ed25519PrivateKey.generate()
    good = signed(HEADER, claims(now), key)
    head, body, signature = good.split(b".")
    payload = json.dumps(claims(now)).encode()
    spare = _spare_bits(signature)
    return {
        "good": good,
        "good-wildcard": signed(HEADER, claims(now, hosts=["*.hello.world"]), key),
        "good-scoped": signed(
            HEADER,
            _without(claims(now, jti="sc", prefixes=["/host/world"], targets=["/srv"]), "dtab"),
            key,
        ),
        "good-leading-out": signed(
            HEADER, claims(now, jti="lo", dtab="/host/world=>/addr/169.254.169.254/80"), key
        ),
        "good-opening": signed(
            HEADER,
            claims(now, jti="op", prefixes=["/host"], targets=["/srv", "/addr", "/$/inet"]),
            key,
        ),
        "good-reading": signed(HEADER, claims(now, jti="rd", reads_only=True), key),
        "expired": signed(HEADER, claims(now, nbf=now - 2 * HOUR, exp=now - 1), key),
        "not yet valid": signed(HEADER, claims(now, nbf=now + 600), key),
        "made for a year": signed(HEADER, claims(now, exp=now + 365 * 24 * HOUR), key),
        "of a stranger": signed(HEADER, claims(now), stranger),
        "of an unknown kid": signed({**HEADER, "kid": "k9"}, claims(now), key),
        "of a kid that is a path": signed({**HEADER, "kid": "../k1"}, claims(now), key),
        "with alg none": b64(json.dumps({**HEADER, "alg": "none"}).encode()) + b"." + body + b".",
        "with alg none and a signature": signed({**HEADER, "alg": "none"}, claims(now), key),
        "with alg HS256": signed({**HEADER, "alg": "HS256"}, claims(now), key),
        "with alg eddsa": signed({**HEADER, "alg": "eddsa"}, claims(now), key),
        "of another type": signed({**HEADER, "typ": "JWT"}, claims(now), key),
        "with a key of its own": signed({**HEADER, "jwk": {"kty": "OKP"}}, claims(now), stranger),
        "with crit": signed({**HEADER, "crit": ["exp"]}, claims(now), key),
        "without a signature": head + b"." + body + b".",
        "of two parts": head + b"." + body,
        "of four parts": good + b".x",
        "with one bit of the signature flipped": head + b"." + body + b"." + _flipped(signature),
        "with one bit of the body flipped": head + b"." + _flipped(body) + b"." + signature,
        "with the body of another": head
        + b"."
        + b64(json.dumps(claims(now, jti="other")).encode())
        + b"."
        + signature,
        "padded": good + b"=",
        "with spare bits": head + b"." + body + b"." + spare,
        "in plain base64": good.replace(b"-", b"+").replace(b"_", b"/") + b"+/",
        "with a field twice": signed(HEADER, payload[:-1] + b', "hosts": ["*"]}', key),
        "with a header field twice": signed(
            b'{"alg":"none","alg":"EdDSA","kid":"k1","typ":"weir-grant+jwt"}', claims(now), key
        ),
        "with an unknown field": signed(HEADER, claims(now, admin=True), key),
        "without hosts": signed(HEADER, _without(claims(now), "hosts"), key),
        "with no host": signed(HEADER, claims(now, hosts=[]), key),
        "without an end": signed(HEADER, _without(claims(now), "exp"), key),
        "with an end that is text": signed(HEADER, claims(now, exp=str(now + 60)), key),
        "with an end that is true": signed(HEADER, claims(now, exp=True), key),
        "with an end that is a fraction": signed(HEADER, claims(now, exp=now + 60.5), key),
        "with an end without end": signed(
            HEADER, json.dumps(claims(now)).replace(str(now + HOUR), "1e999").encode(), key
        ),
        "for another host": signed(HEADER, claims(now, hosts=["api.hello.world"]), key),
        "for a look-alike host": signed(HEADER, claims(now, hosts=["www.hello.world.evil"]), key),
        "with a homoglyph": signed(HEADER, '{"sub": "\u0430lice"}'.encode(), key),
        "with a service of other letters": signed(
            HEADER, claims(now, dtab="/host/w\u043erld=>/srv/world-v2"), key
        ),
        "with an override that is no dtab": signed(HEADER, claims(now, dtab="/a =>"), key),
        "with an override to an address": signed(
            HEADER, claims(now, dtab="/host/world=>/$/inet/169.254.169.254/80"), key
        ),
        "revoked": signed(HEADER, claims(now, jti="revoked-1"), key),
        "of a revoked holder": signed(HEADER, claims(now, sub="mallory"), key),
        "of a revoked key": signed({**HEADER, "kid": "k2"}, claims(now), key),
        "of 5,000 bytes": signed(HEADER, claims(now, dtab="/a=>/" + "b" * 4_000), key),
        "that is a list": signed(HEADER, [claims(now)], key),
        "that is empty": b"",
        "that is no token": b"dogfood",
        "of dots": b"...",
        "nested deeply": signed(HEADER, b"[" * 900 + b"]" * 900, key),
    }


def _without(said: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key != name}


def _flipped(part: bytes) -> bytes:
    raw = bytearray(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    raw[len(raw) // 2] ^= 1
    return b64(bytes(raw))


def _spare_bits(part: bytes) -> bytes:
    """The same bytes, spelt with the unused bits of the last letter set."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + letters[letters.index(part[-1:]) + 1 :][:1]
