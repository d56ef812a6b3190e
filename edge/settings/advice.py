"""What a file that is fine may still want: things beside it that are missing, odd or soon over.

It looks at this machine's disk, so it is for the machine that will run the gateway.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Final

from cryptography import x509

from edge.grants.files import GrantFileError, read_keys, read_revoked
from edge.settings.compared import Side, places_of
from edge.settings.listening import make_prelude
from mesh.config.naming_config import FsNamerConfig
from naming.lint import lint
from proxy.certificates import TlsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge.settings.edge_config import EdgeConfig
    from edge.settings.trust_config import GrantsConfig
    from naming.namer import Namer

_EXPIRES_SOON: Final = dt.timedelta(days=14)


def advice(config: EdgeConfig, namers: Sequence[Namer], now: dt.datetime) -> Iterator[str]:
    """One line each. Shape: `now` knows its time zone."""
    for namer in config.namers:
        if isinstance(namer, FsNamerConfig) and not namer.rootDir.is_dir():
            yield f"namers: {namer.rootDir} is no directory: its names lead nowhere until it is one"
    if config.grants is not None:
        yield from _grants(config.grants)
    for listener in config.all_listeners:
        if listener.tls is not None:
            try:
                make_prelude(listener.tls, listener.proxy_protocol)
            except TlsError as error:
                yield f"TLS: {error}"
            for pair in listener.tls.certificates:
                yield from _expiry(pair.cert, now)
    if config.access_log is not None and config.access_log.path != "-":
        yield from _place("access_log.path", config.access_log.path)
    for finding in lint(config.dtab):
        yield str(finding).replace("\n  hint: ", "; ")
    side = Side(config, namers)
    for name, key in places_of(config).items():
        treated = side.at(key)
        told = treated.way
        if treated.service and (told.error or not any(told.shares)):
            yield f"{name}: its requests lead nowhere by this dtab ({told})"


def _grants(grants: GrantsConfig) -> Iterator[str]:
    try:
        if not read_keys(grants.keys):
            yield f"grants.keys: {grants.keys} holds no KID.pem: no grant is good"
    except GrantFileError as error:
        yield f"grants.keys: {error}: no grant is good"
    try:
        read_revoked(grants.revoked)
    except GrantFileError as error:
        yield f"grants.revoked: {error}"
    if grants.audit is not None:
        yield from _place("grants.audit", str(grants.audit))


def _place(key: str, file: str) -> Iterator[str]:
    folder = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120 - no link is followed
    if not os.access(file if os.path.exists(file) else folder, os.W_OK):  # noqa: PTH110
        yield f"{key}: {file} cannot be written"


def _expiry(file: Path, now: dt.datetime) -> Iterator[str]:
    try:
        certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (OSError, ValueError):
        return  # told above
    left = certificate.not_valid_after_utc - now
    if left < dt.timedelta():
        yield f"TLS: {file} expired {-left.days} days ago"
    elif left < _EXPIRES_SOON:
        yield f"TLS: {file} expires in {left.days} days"
