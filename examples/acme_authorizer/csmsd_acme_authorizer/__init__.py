"""ACME's customers hold up tags that begin with ACME; who may charge is known by ACME's customer service."""

from csmsd_acme_authorizer.config import AcmeAuthorizerConfig
from csmsd_acme_authorizer.plugin import AcmeAuthorizerPlugin

__all__ = ["AcmeAuthorizerConfig", "AcmeAuthorizerPlugin"]
