"""The certification plugin: nothing but a command for the shell."""

from __future__ import annotations

from csmsd.plugin import NoConfig, Plugin
from csmsd_certification.cli import certify


class CertificationPlugin(Plugin[NoConfig]):
    """The OCA's compliancy test cases for central systems: csmsd certify."""

    name = "certification"
    requires = ("core",)
    cli = (certify,)
