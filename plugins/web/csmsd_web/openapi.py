"""The OpenAPI document: what Litestar knows of the handlers, and the payloads of every command that is registered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

import msgspec
import trio
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ControllerRouterHandler

from csmsd.command import AnyCommand
from csmsd.host import Host

PREFIX = "/api/v1"
COMMAND_PATH = f"{PREFIX}/stations/{{station_id}}/commands/{{action}}"
REFERENCE = "#/components/schemas/"
METHODS = {"get", "put", "post", "delete"}
OPEN_PATHS = {"/healthz", "/readyz", "/metrics"}
ABOUT = """Every answer that is no success is problem+json (RFC 9457).

Identities and id tags in paths are percent-encoded as one segment: `A/B` is `A%2FB`."""

PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "The kind, for programs: urn:csmsd:station-offline"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence, for people."},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "What in the request is wrong."},
        "id": {"type": "string", "description": "Of the command."},
        "code": {"type": "string", "description": "Of a CALLERROR."},
        "description": {"type": "string", "description": "Of a CALLERROR."},
        "details": {"type": "object", "description": "Of a CALLERROR."},
        "warnings": {"type": "array", "items": {"type": "string"}},
    },
}
FAILURE = {
    "description": "Why it was not done",
    "content": {"application/problem+json": {"schema": {"$ref": f"{REFERENCE}Problem"}}},
}


class Documents:
    """The document of one set of handlers, made when somebody asks for the first time."""

    def __init__(
        self, host: Host, routes: Sequence[ControllerRouterHandler], dependencies: Mapping[str, Provide]
    ) -> None:
        self._host, self._routes, self._dependencies = host, routes, dependencies
        self._text: bytes | None = None

    async def openapi(self) -> bytes:
        """The document as JSON."""
        if self._text is None:
            self._text = await trio.to_thread.run_sync(self._make, dict(self._host.commands.known))
        return self._text

    def _make(self, commands: Mapping[str, AnyCommand]) -> bytes:
        config = OpenAPIConfig(
            "csmsd", version("csmsd"), description=ABOUT, render_plugins=[JsonRenderPlugin()], create_examples=False
        )
        plain = Litestar(
            [Router("/", route_handlers=self._routes)],
            dependencies=self._dependencies,
            openapi_config=config,
            logging_config=None,
        )
        return msgspec.json.encode(completed(msgspec.to_builtins(plain.openapi_schema.to_schema()), commands))


def completed(document: dict[str, Any], commands: Mapping[str, AnyCommand]) -> dict[str, Any]:
    """The document with our errors, tokens and commands."""
    found: dict[str, Any] = _mended(document)
    for path, operation in _operations(found):
        _complete(path, operation)
    _describe_commands(found, commands)
    components = found["components"]
    components["schemas"]["Problem"] = PROBLEM
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "csms_…"}}
    return {**found, "security": [{"token": []}]}


def _operations(document: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, operation


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Our errors instead of Litestar's, and short ids."""
    answers = {status: answer for status, answer in operation["responses"].items() if status < "400"}
    operation["responses"] = {**answers, "default": FAILURE}
    operation["operationId"] = re.sub(r"\W+", "-", operation["summary"].lower()).strip("-")
    if path in OPEN_PATHS:
        operation["security"] = [{}, {"token": []}]


def _describe_commands(document: dict[str, Any], commands: Mapping[str, AnyCommand]) -> None:
    """One operation for each command instead of the generic one."""
    generic = document["paths"].pop(COMMAND_PATH)["post"]
    types = [type_ for command in commands.values() for type_ in (command.request, command.response)]
    references, schemas = msgspec.json.schema_components(types, ref_template=f"{REFERENCE}ocpp.{{name}}")
    document["components"]["schemas"].update({f"ocpp.{name}": _mended(schema) for name, schema in schemas.items()})
    schema_of = dict(zip(types, references, strict=True))
    for name, command in sorted(commands.items()):
        operation = {
            **generic,
            "operationId": f"send-{name}",
            "summary": f"Send {name}",
            "description": command.summary,
            "parameters": [each for each in generic["parameters"] if each["name"] != "action"],
            "requestBody": {"content": {"application/json": {"schema": schema_of[command.request]}}},
            "responses": _command_responses(schema_of[command.response]),
        }
        document["paths"][COMMAND_PATH.replace("{action}", name)] = {"post": operation}


def _command_responses(result: Mapping[str, Any]) -> dict[str, Any]:
    answer = {
        "type": "object",
        "required": ["id", "result", "warnings"],
        "properties": {
            "id": {"type": "string"},
            "result": result,
            "warnings": {"type": "array", "items": {"type": "string"}},
        },
    }
    return {
        "200": {"description": "The station's answer", "content": {"application/json": {"schema": answer}}},
        "202": {"description": "Not answered yet", "headers": {"location": {"schema": {"type": "string"}}}},
        "default": FAILURE,
    }


def _mended(schema: Any) -> Any:
    """OCPP's decimals are JSON numbers on the line; a value may fit several members of a union."""
    if isinstance(schema, list):
        return [_mended(item) for item in cast("Sequence[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    members = cast("dict[str, Any]", schema)
    changed = {"anyOf" if name == "oneOf" else name: _mended(value) for name, value in members.items()}
    if changed.get("format") == "decimal":
        del changed["format"]
        changed["type"] = "number"
    return changed
