"""About csmsd itself: what it is, whether it is well, and its figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.metadata import version

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from csmsd.hookspecs import Metric
from csmsd.host import Host
from csmsd_web.problems import Problem

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Info(msgspec.Struct, frozen=True):
    """What runs here, and where stations connect."""

    version: str
    now: datetime
    ready: bool
    ocpp_urls: Sequence[str]
    trial_mode: bool  # stations that nobody registered are let in (WS-07)
    authentication: str


class Health(msgspec.Struct, frozen=True):
    """A state that a probe asks for."""

    status: str


@get("/info", scope="read", summary="About this csmsd", tags=["System"])
async def info(host: NamedDependency[Host]) -> Info:
    """Version, and where stations connect."""
    access = host.config.access
    return Info(
        version("csmsd"),
        host.env.now(),
        host.is_ready,
        host.ocpp_urls,
        access.unknown_stations == "register",
        access.authentication,
    )


@get("/healthz", scope="probe", summary="Is csmsd alive?", tags=["System"])
async def healthz() -> Health:
    """Yes."""
    return Health("alive")


@get("/readyz", scope="probe", summary="Are stations let in?", tags=["System"])
async def readyz(host: NamedDependency[Host]) -> Health:
    """503 with the cause if they are not (WS-42)."""
    if not host.is_ready:
        cause = "csmsd is starting or stopping" if host.store.is_available else "storage is not available"
        raise Problem(503, "not-ready", cause)
    return Health("ready")


@get("/metrics", scope="probe", summary="Figures for Prometheus", tags=["System"], media_type="text/plain")
async def metrics(host: NamedDependency[Host]) -> Response[str]:
    """The kernel's and the plugins'; none is labelled by station."""
    return Response(exposition(host.metrics()), headers={"content-type": METRICS_TYPE})


def exposition(figures: Iterable[Metric]) -> str:
    """Prometheus' text format; figures of one name together, with one HELP and one TYPE."""
    families: dict[str, list[Metric]] = {}
    for figure in figures:
        families.setdefault(figure.name, []).append(figure)
    lines: list[str] = []
    for name, members in families.items():
        lines.append(f"# HELP csmsd_{name} {_escaped(members[0].help)}")
        lines.append(f"# TYPE csmsd_{name} {members[0].type}")
        lines.extend(f"csmsd_{name}{_labels(member.labels)} {float(member.value)!r}" for member in members)
    return "\n".join([*lines, ""])


def _labels(pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value, quotes=True)}"' for name, value in pairs) + "}"


def _escaped(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


ROUTES = [info]
PROBES = [healthz, readyz, metrics]
