"""`csmsd certify`: the OCA's compliancy test cases for central systems, run against a csmsd, with a report."""

from __future__ import annotations

from csmsd_certification.plugin import CertificationPlugin

__all__ = ["CertificationPlugin"]
