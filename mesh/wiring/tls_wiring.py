"""From `tls` blocks to contexts and client settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mesh.config.linkerd_config import StaticClients
from mesh.routing.clients import ClientSettings
from mesh.wiring.prefix import Prefix, fill
from mesh.wiring.router_parts import make_backoff
from proxy.certificates import CertificateFiles, TlsError
from proxy.tls import (
    CIPHERS,
    ClientCertificates,
    ClientTls,
    ClientTlsSettings,
    Dialing,
    ServerTls,
    ServerTlsSettings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtab import Path
    from mesh.config.linkerd_config import ClientConfig, PrefixedClient
    from mesh.config.tls_config import ClientTlsConfig, ServerTlsConfig
    from proxy.certificates import Reloadable

# Linkerd's words, told with every request of such a client.
_NO_NAME: Final = "tls is configured with validation but `commonName` is not set"
_TWO_TRUSTS: Final = (
    "Both trustCerts and trustCertsBundle have been set. Please use only trustCertsBundle."
)


class TlsParts:
    """Makes what a process needs of TLS, and keeps it for reloading."""

    def __init__(self) -> None:
        self.parts: list[Reloadable] = []
        self.warnings: list[str] = []

    def server(self, config: ServerTlsConfig | None) -> ServerTls | None:
        """A server's TLS. Raises: TlsError, when its files cannot be used."""
        if config is None:
            return None
        files = CertificateFiles(
            chain=config.certPath, key=config.keyPath, intermediates=config.intermediateCertsPath
        )
        clients = (
            ClientCertificates.REQUIRED if config.requireClientAuth else ClientCertificates.OFF
        )
        authorities = (config.caCertPath,) if config.caCertPath and config.requireClientAuth else ()
        made = ServerTls(
            ServerTlsSettings(
                certificates=(files,),
                clients=clients,
                authorities=authorities,
                alpn=(),  # Linkerd's HTTP server answers no list
                versions=config.protocols,
                ciphers=":".join(config.ciphers) or CIPHERS,
            )
        )
        self.parts.append(made)
        return made

    def clients(self, config: ClientConfig | StaticClients) -> ClientSettings:
        """The settings of a router's clients; `of` says those of one of them."""
        if not isinstance(config, StaticClients):
            settings = _with_client(ClientSettings(), config)
            return self._dialling(settings, config.tls, {}, self._tls(config.tls))
        chosen = [(Prefix(one.prefix), one, self._tls(one.tls)) for one in config.configs]

        def of(name: Path) -> ClientSettings:
            settings = ClientSettings()
            for prefix, one, made in chosen:  # later ones override, key by key
                captured = prefix.match(name)
                if captured is None:
                    continue
                settings = _with_client(settings, one)
                settings = self._dialling(settings, one.tls, captured, made)
            return settings

        return ClientSettings(choose=of)

    def _tls(self, config: ClientTlsConfig | None) -> ClientTls | str | None:
        """TLS towards endpoints; text: why there can be none, as Linkerd tells its callers."""
        if config is None or not config.enabled:
            return None
        if config.trustCerts is not None and config.trustCertsBundle is not None:
            return self._warn(_TWO_TRUSTS)
        bundle = () if config.trustCertsBundle is None else (config.trustCertsBundle,)
        show = config.clientAuth
        settings = ClientTlsSettings(
            verify=not config.disableValidation,
            authorities=config.trustCerts or bundle,
            certificate=None
            if show is None
            else CertificateFiles(
                chain=show.certPath, key=show.keyPath, intermediates=show.intermediateCertsPath
            ),
            versions=config.protocols,
        )
        try:
            made = ClientTls(settings)
        except TlsError as error:
            return self._warn(str(error))
        self.parts.append(made)
        return made

    def _warn(self, text: str) -> str:
        self.warnings.append(text)
        return text

    @staticmethod
    def _dialling(
        settings: ClientSettings,
        config: ClientTlsConfig | None,
        captured: Mapping[str, str],
        made: ClientTls | str | None,
    ) -> ClientSettings:
        if config is None:
            return settings
        if isinstance(made, str):
            return replace(settings, tls=None, trouble=made)
        if made is None:
            return replace(settings, tls=None, trouble=None)
        if config.commonName is None and not config.disableValidation:
            return replace(settings, tls=None, trouble=_NO_NAME)
        name = None if config.commonName is None else fill(config.commonName, captured)
        return replace(settings, tls=Dialing(made, name), trouble=None)


def _with_client(settings: ClientSettings, config: ClientConfig | PrefixedClient) -> ClientSettings:
    accrual = config.failureAccrual
    if accrual is not None:
        failures = 0 if accrual.kind == "none" else accrual.failures
        backoff = None if accrual.backoff is None else make_backoff(accrual.backoff)
        settings = replace(settings, failures_max=failures, backoff=backoff)
    limits = config.hostConnectionPool
    if limits is not None:
        pool = replace(
            settings.pool,
            connections_max=limits.maxSize,
            waiters_max=limits.maxWaiters,
            idle_timeout_s=limits.idleTimeMs / 1_000,
            connect_timeout_s=limits.connectTimeoutMs / 1_000,
        )
        settings = replace(settings, pool=pool)
    if config.links is not None:
        settings = replace(settings, pool=replace(settings.pool, links=config.links))
    if config.requestAttemptTimeoutMs is not None:
        settings = replace(settings, attempt_timeout_s=config.requestAttemptTimeoutMs / 1_000)
    return settings
