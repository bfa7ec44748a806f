"""The management API of csmsd: HTTP on Litestar, served by Hypercorn inside csmsd's own trio loop."""

from __future__ import annotations

from csmsd_web.config import WebConfig
from csmsd_web.plugin import WebPlugin

__all__ = ["WebConfig", "WebPlugin"]
