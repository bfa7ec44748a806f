"""What about the signature of a SignedUpdateFirmware is only warned of (SEC-76)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from csmsd_security.certificate_rows import is_issued_by, leaf_of
from csmsd_security.messages import Firmware


def about_firmware(firmware: Firmware, roots: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    """One sentence for each finding; `roots` are the manufacturers' that csmsd knows, none: nothing to compare with."""
    try:
        base64.b64decode(firmware.signature, validate=True)
    except binascii.Error:
        yield "the signature is not base64 (SEC-75)"
    certificate = leaf_of(firmware.signing_certificate)
    if certificate is None:
        yield "the signing certificate is no certificate in PEM form (SEC-76)"
        return
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        yield "the signing certificate is not valid now (SEC-76)"
    if roots and not any(is_issued_by(certificate, root) for root in roots):
        yield "the signing certificate was not issued by a manufacturer's root that csmsd has installed (SEC-76)"
