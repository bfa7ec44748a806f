"""Commands that speak to a running csmsd: which one, and as whom. For commands of plugins, too."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from csmsd.cli.options import config_file_of
from csmsd.cli.output import Output
from csmsd.cli.settings import load_settings
from csmsd.client import ApiClient, find_server

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--json", "is_json", is_flag=True, help="Print JSON for programs."),
    click.option("--url", default="", metavar="URL", help="The server. [CSMSD_URL; else the one on this machine]"),
    click.option("--token", default="", metavar="TOKEN", help="An API token. [CSMSD_TOKEN; else the one in data_dir]"),
    click.option(
        "--data-dir", type=click.Path(path_type=Path), metavar="PATH", help="The server's data_dir. [as configured]"
    ),
)


def takes_server(function: F) -> F:
    """Give a command `--url`, `--token`, `--data-dir` and `--json`; it is called with `client` and `output`."""

    @wraps(function)
    def with_server(*args: Any, url: str, token: str, data_dir: Path | None, is_json: bool, **kwargs: Any) -> Any:
        with open_client(url, token, data_dir) as client:
            return function(*args, client=client, output=Output(is_json), **kwargs)

    command: Any = with_server
    for option in reversed(_OPTIONS):
        command = option(command)
    result: F = command
    return result


def open_client(url: str = "", token: str = "", data_dir: Path | None = None) -> ApiClient:
    """A client for the server that is meant; the configuration is read only if that is needed to find it."""
    if (url or os.environ.get("CSMSD_URL")) and (token or os.environ.get("CSMSD_TOKEN")):
        return find_server(data_dir or Path(), url=url, token=token)
    config = load_settings(config_file_of(click.get_current_context())).config
    fallback = f"http://{_host_and_port(config.listen.http)}" if config.listen.http else ""
    return find_server(data_dir or config.data_dir, url=url, token=token, fallback=fallback)


def _host_and_port(address: str) -> str:
    return f"127.0.0.1{address}" if address.startswith(":") else address
