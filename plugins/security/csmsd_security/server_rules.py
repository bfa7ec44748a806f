"""What about csmsd's own certificates is only warned of: stations may refuse them, but some do not (SEC-08)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from csmsd.config import Listen
from csmsd_security.certificate_rows import leaf_of
from csmsd_security.config import SecurityConfig

BEST_RSA_BITS = 2048  # SEC-07: what embedded clients take
SERVER_USES = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
FULL_NAME = re.compile(rf"({LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?")  # so no address and no wildcard


def about_server(listen: Listen, config: SecurityConfig, now: datetime) -> Iterator[str]:
    """One sentence, with what to do, for each finding; files that cannot be used are the listener's business."""
    if not listen.ocpp_tls:
        return
    leaves = [(path, leaf) for path in listen.certificate if (leaf := _read(path)) is not None]
    kinds = {kind for _, leaf in leaves if (kind := _kind_of(leaf))}
    if len(kinds) == 1:
        missing = "ECDSA" if kinds == {"RSA"} else "RSA"
        yield (
            f"listen.certificate names no {missing} certificate: stations that know no other kind cannot connect; add "
            "one with its key (SEC-06)"
        )
    endpoint = (urlsplit(listen.public_url).hostname or "").casefold()
    for path, leaf in leaves:
        for finding in _about(leaf, endpoint, config, now):
            yield f"{path}: {finding}"


def _about(leaf: x509.Certificate, endpoint: str, config: SecurityConfig, now: datetime) -> Iterator[str]:
    yield from _about_subject(leaf.subject, endpoint, config.cpo_name)
    yield from _about_uses(leaf)
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size != BEST_RSA_BITS:
        yield f"its RSA key has {key.key_size} bits: old stations take {BEST_RSA_BITS} only; use such a key (SEC-07)"
    ends = leaf.not_valid_after_utc
    if ends < now:
        yield f"it has expired at {ends:%Y-%m-%d %H:%M} UTC: stations refuse it; replace it and send SIGHUP (SEC-08)"
    elif leaf.not_valid_before_utc > now:
        begins = leaf.not_valid_before_utc
        yield f"it is not valid before {begins:%Y-%m-%d %H:%M} UTC: check the clock, or use another one (SEC-08)"
    elif ends < now + timedelta(days=config.renew_days):
        yield f"it expires at {ends:%Y-%m-%d %H:%M} UTC: replace it before and send SIGHUP (SEC-08)"


def _about_subject(subject: x509.Name, endpoint: str, cpo_name: str) -> Iterator[str]:
    organisations = _values(subject, NameOID.ORGANIZATION_NAME)
    if cpo_name not in organisations:
        said = f"says {organisations[0]!r}" if organisations else "is missing"
        yield (
            f"its organisation (O) {said}, but plugin.security.cpo_name is {cpo_name!r}: have one issued for that "
            "name, or set cpo_name to yours (SEC-08)"
        )
    names = [name.casefold() for name in _values(subject, NameOID.COMMON_NAME)]
    wanted = endpoint if FULL_NAME.fullmatch(endpoint) else ""
    if (wanted and wanted not in names) or not any(FULL_NAME.fullmatch(name) for name in names):
        said = f"says {names[0]!r}" if names else "is missing"
        yield (
            f"its common name (CN) {said}: have one issued for {wanted or 'the full domain name'} that stations "
            "connect to (SEC-08)"
        )


def _about_uses(leaf: x509.Certificate) -> Iterator[str]:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        yield "it has no keyUsage: have one issued that names what its key is for (SEC-08)"
    else:
        if not usage.digital_signature:
            yield "its keyUsage lacks digitalSignature, which ECDHE needs: have one issued with it (SEC-08)"
        if isinstance(leaf.public_key(), rsa.RSAPublicKey) and not usage.key_encipherment:
            yield "its keyUsage lacks keyEncipherment, which TLS_RSA suites need: have one issued with it (SEC-08)"
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not SERVER_USES.intersection(uses):
        yield "its extended key usage is not for servers: have one issued with serverAuth (SEC-08)"


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in name.get_attributes_for_oid(oid)]


def _kind_of(leaf: x509.Certificate) -> str:
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePublicKey) else ""


def _read(path: Path) -> x509.Certificate | None:
    try:
        return leaf_of(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
