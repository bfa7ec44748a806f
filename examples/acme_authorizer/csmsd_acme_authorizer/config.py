"""`[plugin.acme_authorizer]`: what the operator can set."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class AcmeAuthorizerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    url: Annotated[str, "Where ACME's customer service answers."] = "http://127.0.0.1:8099/customers"
    prefix: Annotated[str, "The tags that are ACME's; others are left to csmsd."] = "ACME"
    patience: Annotated[float, Meta(gt=0), "For an answer."] = 1.0
    otherwise: Annotated[
        Literal["refuse", "tag_table"], "Without one: refuse, or what the operator's tag table knows."
    ] = "refuse"
