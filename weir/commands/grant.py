"""`weir grant`: make, look at and withdraw grants."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from weir.commands.ending import FAILED, USAGE, fail, read_text, rewrite

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edge.rules.capability import Capability

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Signed, scoped, expiring leave to steer one's own requests.\n\n"
        "weir grant keygen --private staff-1.key --public keys/staff-1.pem\n\n"
        "weir grant mint --key staff-1.key --for alice --hosts www.hello.world \\\n"
        "    --override '/host/world => /srv/world-v2' --ttl 8h\n\n"
        "weir grant inspect TOKEN --keys keys/\n\n"
        "weir grant revoke GRANT-ID --file revoked.txt"
    ),
)

_TTL: Final = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
STDIN: Final = "-"
# What people call the claims of a token.
_CALLED: Final = {
    "kid": "signed by",
    "sub": "for",
    "jti": "id",
    "nbf": "from",
    "exp": "until",
    "hosts": "on",
    "dtab": "override",
    "prefixes": "may override",
    "targets": "to",
    "reads_only": "reads only",
}
_PRIVATE_MODE: Final = 0o600


@app.command("keygen")
def keygen(
    private: Annotated[Path, typer.Option(help="Where the signing key goes; keep it.")],
    public: Annotated[Path, typer.Option(help="KID.pem, for the gateways.")],
) -> None:
    """Make a key pair. The public key's file name is the key's id (kid)."""
    from cryptography.hazmat.primitives import serialization as to  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    from edge.grants.grant import KEY_ID  # noqa: PLC0415

    if public.suffix != ".pem" or not KEY_ID.fullmatch(public.stem):
        fail(f"{public}: a public key's file is named KID.pem, KID of letters, digits, - _", USAGE)
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption())
    open_ = key.public_key().public_bytes(to.Encoding.PEM, to.PublicFormat.SubjectPublicKeyInfo)
    try:
        _write_new(private, secret, _PRIVATE_MODE)
        _write_new(public, open_, 0o644)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    typer.echo(f"{private}: signs; {public}: for the gateways, kid {public.stem}", err=True)


def _write_new(file: Path, content: bytes, mode: int) -> None:
    """Never over a key that is there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)


@app.command("mint")
def mint(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    key: Annotated[Path, typer.Option(help="The signing key.")],
    holder: Annotated[str, typer.Option("--for", help="Who gets it.")],
    hosts: Annotated[str, typer.Option(help="Where it counts: a.example,*.b.example")],
    ttl: Annotated[str, typer.Option(help="How long: 30m, 8h, 2d.")],
    override: Annotated[str, typer.Option(help="Dentries that each request gets.")] = "",
    services: Annotated[
        str, typer.Option(help="Names that the holder may override himself: /host/world,…")
    ] = "",
    targets: Annotated[
        str, typer.Option(help="Where his overrides may lead: /srv/world-v2,…")
    ] = "",
    kid: Annotated[str, typer.Option(help="The key's id. [default: the key file's name]")] = "",
    sample: Annotated[bool, typer.Option(help="His requests are recorded.")] = False,  # noqa: FBT002
    debug: Annotated[bool, typer.Option(help="He may ask for the trail: weir-debug: 1.")] = False,  # noqa: FBT002
    reads_only: Annotated[bool, typer.Option(help="For GET, HEAD and OPTIONS.")] = False,  # noqa: FBT002
    link: Annotated[str, typer.Option(help="Print a link for a browser: https://HOST")] = "",
) -> None:
    """Print a signed grant.

    Example: weir grant mint --key staff-1.key --for alice --hosts www.hello.world
    --override '/host/world => /srv/world-v2' --ttl 8h
    """
    from dtab import DtabSyntaxError, read_dtab  # noqa: PLC0415
    from edge.grants.grant import Grant, GrantRefused, read_grant  # noqa: PLC0415
    from edge.grants.grant import mint as sign  # noqa: PLC0415

    lifetime_s = _seconds(ttl)
    signer = _signing_key(key)
    now_s = time.time_ns() // 1_000_000_000
    try:
        grant = Grant(
            id=secrets.token_hex(8),
            name=holder,
            kid=kid or key.name.partition(".")[0],
            hosts=tuple(host.lower() for host in _list(hosts)),
            not_before_s=now_s,
            expires_s=now_s + lifetime_s,
            override=read_dtab(override, "--override"),
            may=_scope(services, targets),
            sample=sample,
            debug=debug,
            reads_only=reads_only,
        )
        token = sign(grant, signer)
        # What a gateway would not take shall not leave the desk.
        read_grant(token.encode(), {grant.kid: signer.public_key()})
    except DtabSyntaxError as error:
        fail(error.display("--override, --services or --targets"), USAGE)
    except GrantRefused as refused:
        fail(f"this would be no good grant: {refused}", USAGE)
    typer.echo(f"grant {grant.id} of {grant.name}, until {_stamp(grant.expires_s)}", err=True)
    sys.stdout.write(f"{link.rstrip('/')}/.weir/grant#{token}\n" if link else f"{token}\n")


def _seconds(ttl: str) -> int:
    found = _TTL.fullmatch(ttl)
    if found is None:
        fail(f"--ttl: {ttl} is no duration; write 30m, 8h or 2d", USAGE)
    return int(found[1]) * _SECONDS[found[2]]


def _scope(services: str, targets: str) -> Capability | None:
    from dtab import read_prefix  # noqa: PLC0415
    from edge.rules.capability import Capability  # noqa: PLC0415

    if not services and not targets:
        return None
    if not (services and targets):
        fail("an override of one's own needs both --services and --targets", USAGE)
    return Capability(
        prefixes=tuple(map(read_prefix, _list(services))),
        targets=tuple(map(read_prefix, _list(targets))),
    )


def _signing_key(file: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        if file.stat().st_mode & 0o077:
            typer.echo(f"warning: {file} can be read by others", err=True)
        key = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE)
    except (ValueError, TypeError):
        fail(f"{file}: no private key in PEM", USAGE)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        fail(f"{file}: grants are signed with Ed25519", USAGE)
    return key


def _list(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


@app.command("inspect")
def inspect(
    token: Annotated[str, typer.Argument(help="The grant, its link, or - for stdin.")],
    keys: Annotated[Path | None, typer.Option(help="Public keys, to check it by.")] = None,
    revoked: Annotated[Path | None, typer.Option(help="The list of withdrawn grants.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell what a grant says, and whether a gateway with those keys would take it now."""
    from edge.grants.desk import Ceiling  # noqa: PLC0415
    from edge.grants.files import GrantFileError, read_keys, read_revoked  # noqa: PLC0415
    from edge.grants.grant import GrantRefused, check_time, read_grant  # noqa: PLC0415

    text = (sys.stdin.read() if token == STDIN else token).strip().rpartition("#")[2]
    verdict = "its signature was not checked: give --keys" if keys is None else "good"
    fine = keys is not None
    try:
        grant = read_grant(text.encode(), {}, verify=False)
    except GrantRefused as refused:
        fail(f"no grant: {refused}")
    try:
        if keys is not None:
            grant = read_grant(text.encode(), read_keys(keys))
        check_time(grant, time.time_ns() / 1e9, Ceiling().lifetime_s_max)
        if read_revoked(revoked).holds(grant):
            verdict, fine = "revoked", False
    except GrantRefused as refused:
        verdict, fine = str(refused), False
    except GrantFileError as error:
        fail(str(error), USAGE)
    said = {"verdict": verdict, "kid": grant.kid, **grant.claims()}
    if as_json:
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        for name, value in said.items():
            shown = _stamp(value) if name in ("nbf", "exp") else value
            shown = ", ".join(shown) if isinstance(shown, list) else shown
            sys.stdout.write(f"{_CALLED.get(name, name):<13} {shown}\n")
    if not fine:
        raise typer.Exit(FAILED)


@app.command("revoke")
def revoke(
    what: Annotated[str, typer.Argument(help="A grant's id, name:NAME, key:KID, or a grant.")],
    file: Annotated[Path, typer.Option(help="The list that the gateways watch.")],
) -> None:
    """Withdraw a grant, all grants of a holder, or a key; gateways see it within a second."""
    from edge.grants.grant import GrantRefused, read_grant  # noqa: PLC0415

    word = what.strip()
    if word.count(".") > 1:
        try:
            word = read_grant(word.rpartition("#")[2].encode(), {}, verify=False).id
        except GrantRefused as refused:
            fail(f"no grant: {refused}", USAGE)
    if not re.fullmatch(r"(?:name:|key:)?[!-~]{1,200}", word) or "#" in word:
        fail(f"{word} is no grant id, name:NAME or key:KID", USAGE)
    text = read_text(file) if file.exists() else ""
    if text and not text.endswith("\n"):
        text += "\n"
    there = {line.partition("#")[0].strip() for line in text.splitlines()}
    rewrite(file, text if word in there else f"{text}{word}\n")
    typer.echo(f"{file}: {word} is withdrawn", err=True)
