"""Probes, figures, documentation."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from csmsd.hookspecs import Metric
from csmsd_web.routes_system import exposition
from tests.plugins.web.management import Api, problem

LINE = re.compile(r'csmsd_[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? \S+')


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"open_probes": getattr(request, "param", "loopback")}


async def test_csmsd_says_whether_it_is_alive_ready_and_what_it_is(api: Api) -> None:
    assert (await api.get("/healthz", token="")).json() == {"status": "alive"}
    assert (await api.get("/readyz", token="")).json() == {"status": "ready"}
    info = (await api.get("/info")).json()
    assert (info["ready"], info["trial_mode"], info["ocpp_urls"]) == (True, False, [])


@pytest.mark.req("WS-42")
async def test_it_is_not_ready_while_nothing_can_be_stored(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(api.host.store), "is_available", property(lambda _: False))
    assert "storage" in problem(await api.get("/readyz"), 503, "not-ready")["detail"]
    assert (await api.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("settings", "near", "far"),
    [("loopback", 200, 401), ("everybody", 200, 200), ("nobody", 401, 401)],
    indirect=["settings"],
)
async def test_who_may_probe_without_a_token_is_configurable(api: Api, near: int, far: int) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        for peer, expected in (("127.0.0.1", near), ("::1", near), ("::ffff:127.0.0.1", near), ("192.0.2.1", far)):
            async with api.client("", peer) as client:
                assert (await client.get(path)).status_code == expected, (path, peer)
        async with api.client(await api.mint("read"), "192.0.2.1") as client:
            assert (await client.get(path)).status_code == 200


async def test_metrics_are_prometheus_text_without_stations(api: Api) -> None:
    await api.connect("CP-SECRET")
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "csmsd_stations_connected 1.0" in answer.text
    assert "csmsd_core_id_tags 0.0" in answer.text
    assert "CP-SECRET" not in answer.text
    assert answer.text.endswith("\n")
    names = [line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    for line in answer.text.splitlines():
        assert line.startswith("# ") or LINE.fullmatch(line), line


def test_figures_of_one_name_are_together_and_texts_are_escaped() -> None:
    figures = [
        Metric("a", "x\ny", 1, (("k", 'q"\\\n'),)),
        Metric("b", "b", 2, type="counter"),
        Metric("a", "x", 3, (("k", "w"),)),
    ]
    assert exposition(figures) == (
        "# HELP csmsd_a x\\ny\n# TYPE csmsd_a gauge\n"
        'csmsd_a{k="q\\"\\\\\\n"} 1.0\ncsmsd_a{k="w"} 3.0\n'
        "# HELP csmsd_b b\n# TYPE csmsd_b counter\ncsmsd_b 2.0\n"
    )


def references(value: Any) -> set[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


async def test_the_openapi_document_is_consistent_and_describes_every_command(api: Api) -> None:
    document = (await api.get("/api/openapi.json", token="")).json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert {ref.removeprefix("#/components/schemas/") for ref in references(document)} <= schemas.keys()
    operations = [(path, operation) for path, item in document["paths"].items() for operation in item.values()]
    ids = [operation["operationId"] for _, operation in operations]
    assert len(ids) == len(set(ids))
    for path, operation in operations:
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), path
        assert "default" in operation["responses"]
        assert not {"host", "tokens", "streams"} & {each["name"] for each in operation.get("parameters", [])}
    for name in api.host.commands.known:
        path = f"/api/v1/stations/{{station_id}}/commands/{name}"
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["$ref"] in references(document)
    registry = {"$defs": schemas, **_rooted(schemas["ocpp.Reset"])}
    jsonschema.validate({"type": "Soft"}, registry)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"type": "Gently"}, registry)


def _rooted(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            name: value.replace("#/components/schemas/", "#/$defs/") if name == "$ref" else _rooted(value)
            for name, value in schema.items()
        }
    return [_rooted(item) for item in schema] if isinstance(schema, list) else schema


async def test_the_documentation_needs_no_other_machine(api: Api) -> None:
    page = await api.get("/api/docs", token="")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "docs/start.js" in wanted
    for address in wanted:
        if address != "data:,":
            found = await api.get(f"/api/{address}", token="")
            assert found.status_code == 200, address
            assert found.headers["content-type"].partition(";")[0] in ("text/javascript", "text/css")
    start = (await api.get("/api/docs/start.js", token="")).text
    assert "http" not in page.text.replace("</html>", "") + start
    assert "validatorUrl: null" in start
    problem(await api.get("/api/docs/SHA256SUMS", token=""), 404, "not-found")
    problem(await api.get("/api/docs/..%2Findex.html", token=""), 404, "not-found")
    assert "url(http" not in (await api.get("/api/docs/swagger-ui.css")).text


def test_what_is_vendored_is_what_was_fetched() -> None:
    folder = Path(str(files("csmsd_web"))) / "static" / "vendor"
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    del present["SHA256SUMS"]
    assert present.keys() == sums.keys()
    for name, path in present.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[name], name


def test_the_vendor_script_checks_without_fetching() -> None:
    script = Path(__file__).parents[3] / "scripts" / "vendor.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)


async def test_the_bare_address_leads_to_the_documentation(api: Api) -> None:
    answer = await api.ask("GET", "/", token="")
    assert (answer.status_code, answer.headers["location"]) == (302, "/api/docs")
