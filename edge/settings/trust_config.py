"""Rules of trust and grants, as written in `edge.yml`."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated, Self

from pydantic import Field, model_validator

from config import Model, Refused, Secret
from dtab import Dtab
from edge.settings.field_types import CookieName, GrantName, HostPattern, Network, PrefixText
from mesh.config.config_types import DtabText, Rate


class CookieMatch(Model):
    """A cookie that must be given once and equal a text, byte for byte."""

    name: CookieName
    equals: Secret | None = None
    """A text, or {file: PATH}."""
    contains: Secret | None = None
    """As the tutorials' NGINX matches: anywhere in the value, capitals or not. Told at start."""

    @model_validator(mode="after")
    def _one_match(self) -> Self:
        if (self.equals is None) == (self.contains is None):
            raise Refused("either equals or contains", hint="equals: the whole value")
        return self


class CertificateConfig(Model):
    """What a client's certificate must say; the listener vouches for it (client_certificates)."""

    dns: Annotated[str, Field(pattern=r"^(?:\*\.)?[0-9A-Za-z_.-]+$")] | None = None
    """A DNS name in it, or *.suffix for any name below."""
    uri: Annotated[str, Field(pattern=r"^[a-z][0-9a-z+.-]*://[!-~]+$")] | None = None
    """A URI in it, such as spiffe://hello.world/staff/alice; /* at its end is any below."""
    subject: Annotated[str, Field(min_length=1, max_length=1_000)] | None = None
    """Its subject as RFC 4514 writes it: CN=alice,O=Hello."""
    sha256: Annotated[str, Field(pattern=r"^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$")] | None = None
    """Its fingerprint, 64 hex digits; colons between them may stand."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any((self.dns, self.uri, self.subject, self.sha256)):
            raise Refused("every certificate would match", hint="name dns, uri, subject or sha256")
        return self


class Scope(Model):
    """The bounds of an override. Names under /$ and /# need an entry that begins so."""

    prefixes: tuple[PrefixText, ...] | None = None
    """What may be overridden; by default every name of the mesh's own."""
    targets: tuple[PrefixText, ...] | None = None
    """Where an override may lead; by default every name of the mesh's own."""


class TrustRule(Model):
    """Who may say what. The first rule that matches decides; a good grant comes before all."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    hosts: tuple[HostPattern, ...] = ()
    """Hosts on which it counts: names, *.suffix; by default all."""
    cookie: CookieMatch | None = None
    peers: tuple[Network, ...] = ()
    """Networks that the client must be in; with a cookie, both must hold."""
    certificate: CertificateConfig | None = None
    """The certificate that the client must have shown: mutual TLS."""
    override: DtabText = Dtab()
    """Dentries that the request gets."""
    may_override: bool | Scope = False
    """Whether the request may bring context and a dtab of its own, and within which bounds."""
    may_sample: bool = False
    """Whether its l5d-sample, and its trace's own decision, count."""
    sample_rate: Rate | None = None
    """In place of the host's: 1 for those who try something new, 0 for monitors."""
    may_debug: bool = False
    """Whether answers say its route, `weir-debug: 1` gets it its trail, a debug trace is kept."""

    @model_validator(mode="after")
    def _someone(self) -> Self:
        if self.cookie is None and not self.peers and self.certificate is None:
            raise Refused("everyone would match", hint="name a cookie, peers or a certificate")
        return self


class GrantCeiling(Scope):
    """What no grant may exceed, whoever signed it."""

    sample: bool = True
    debug: bool = True


class GrantsConfig(Model):
    """Signed, expiring leave to steer one's own requests."""

    keys: FilePath
    """Public keys: a directory of KID.pem, or one such file. Watched."""
    revoked: FilePath | None = None
    """One withdrawn grant id a line, or name:NAME, or key:KID. Watched; it may be missing."""
    audit: FilePath | None = None
    """Where each use of a grant is written, a JSON line each."""
    name: GrantName = "weir-grant"
    """Of the cookie, and of the header, that holds it."""
    lifetime_s_max: Annotated[float, Field(gt=0)] = 604_800.0
    """A week. A grant that is made for longer is not taken."""
    allow: GrantCeiling = GrantCeiling()
    page: bool = True
    """Whether /.weir/grant sets the cookie for a browser."""
