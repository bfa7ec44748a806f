"""What the pages ask other plugins. Implement it with `@hookimpl(optionalhook=True)`: that works without them too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from litestar import Controller, Router
from litestar.handlers import BaseRouteHandler

from csmsd.hookspecs import hookspec
from csmsd_ui.extension import Column, FormHint, NavItem, Panel
from csmsd_ui.rendering import Pages


@hookspec(colour="plain")
def ui_nav() -> Iterable[NavItem]:
    """Asked for every page, which entries the menu gets.

    Return them in the order wanted. If you raise your entries are missing. Called often: return what is at hand.
    """
    raise AssertionError


@hookspec(colour="plain")
def ui_pages(pages: Pages) -> Sequence[type[Controller] | BaseRouteHandler | Router]:
    """Asked when the application is built: at start, and when the set of enabled plugins has changed.

    Return Litestar handlers; they are mounted below `/ui/x`, and each declares a `scope` as for `web_routes`. Make the
    answer with `pages.respond(request, template, title=…)`, from a template that extends `page.html`; templates lie in
    your package's folder `templates` and are found as `<plugin>/<file>`. If you raise here your pages are missing.
    Called each time.
    """
    raise AssertionError


@hookspec(colour="plain")
def ui_templates() -> str:
    """Asked when the application is built, where your templates are.

    Return the import name of the package whose folder `templates` holds them. If you raise your templates are missing.
    Called each time.
    """
    raise AssertionError


@hookspec(colour="plain")
def ui_panels(pages: Pages) -> Iterable[Panel]:
    """Asked for every page that has places for panels.

    Return yours; `render` makes the panel when its place is shown, with `pages.fragment`. If it raises, is slower than
    `panel_timeout` or returns anything but a `Fragment`, its card says so and the rest of the page is as always.
    """
    raise AssertionError


@hookspec(colour="plain")
def ui_columns() -> Iterable[Column]:
    """Asked for every page of the list of stations or of transactions.

    Return yours; `cells` is awaited once for all rows of the page. If it raises or is slow the column says so.
    """
    raise AssertionError


@hookspec(colour="plain")
def ui_form_hints() -> Iterable[FormHint]:
    """Asked when a form for a command is shown.

    Return what is known of your commands. If you raise the forms are shown without. Called often.
    """
    raise AssertionError
