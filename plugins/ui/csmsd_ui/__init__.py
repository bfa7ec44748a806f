"""The operator's pages of csmsd. What other plugins use: the hooks' types, and `Fragment`, what a panel returns."""

from __future__ import annotations

from csmsd_ui.config import UiConfig
from csmsd_ui.extension import Column, FormHint, Fragment, NavItem, Panel, PanelPlace
from csmsd_ui.plugin import UiPlugin
from csmsd_ui.rendering import Pages

__all__ = ["Column", "FormHint", "Fragment", "NavItem", "Pages", "Panel", "PanelPlace", "UiConfig", "UiPlugin"]
