"""The file plane over real HTTP: downloads in parts, uploads of all kinds, links that are good for one thing only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from csmsd import Config, Host, open_csms
from csmsd.config import Access, Listen
from csmsd.env import Env, utc_now
from csmsd.station import StationRecord
from csmsd_firmware import FirmwarePlugin, Image, ReceivedFile

CONTENT = os.urandom(700_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Clock:
    """The wall clock, which tests can put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> Any:
        return utc_now() + self.ahead


@dataclass
class Plane:
    """A running csmsd, and those who come for files."""

    host: Host
    client: httpx.AsyncClient
    folder: Path
    clock: Clock

    @property
    def firmware(self) -> FirmwarePlugin:
        plugin = self.host.plugins.get("firmware")
        assert isinstance(plugin, FirmwarePlugin)
        return plugin

    @property
    def stored(self) -> list[Path]:
        vault = self.folder / "files"
        return sorted(vault.iterdir()) if vault.exists() else []

    async def add_image(self, name: str = "new.bin", content: bytes = CONTENT) -> Image:
        async with self.firmware.images.draft() as draft:
            await draft.write(content)
            return await self.firmware.images.add(draft, name, version="2.0", note="", sha256="", actor="test")

    async def image_link(self, station_id: str = "CP-1") -> str:
        return await self.firmware.links.to_image(station_id, await self.add_image())

    async def upload_link(self, station_id: str = "CP-1") -> str:
        return await self.firmware.links.for_upload(station_id)

    async def dial(self) -> trio.SocketStream:
        url = self.client.base_url
        return await trio.open_tcp_stream(url.host, url.port or 0)

    async def bring_raw(self, link: str, headers: str, body: bytes) -> bytes:
        """Send a request that is not finished yet: the head of the answer."""
        async with await self.dial() as stream:
            await stream.send_all(f"PUT {urlsplit(link).path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n".encode() + body)
            with trio.fail_after(10):
                return bytes(await stream.receive_some())

    async def files(self) -> list[ReceivedFile]:
        return list(await self.firmware.files.listed(limit=1000))


@asynccontextmanager
async def open_plane(folder: Path, **settings: Any) -> AsyncIterator[Plane]:
    clock = Clock()
    config = Config(
        plugins=("core", "web", "firmware"),
        data_dir=folder,
        listen=Listen(ocpp="127.0.0.1:0", http="127.0.0.1:0"),
        access=Access(authentication="optional"),
        plugin={"firmware": settings},
    )
    async with open_csms(config, env=Env(now=clock)) as host:
        for station_id in ("CP-1", "CP-2"):
            await host.stations.register(StationRecord(station_id))
        token = (folder / "admin.token").read_text().strip()
        url = (folder / "http.url").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(trust_env=False, timeout=30, base_url=url, headers=headers) as client:
            yield Plane(host, client, folder, clock)


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with open_plane(tmp_path, upload_bytes=1_000_000, station_quota=1_500_000, idle_timeout=1) as opened:
        yield opened


@pytest.mark.req("FW-09")
async def test_an_image_is_downloaded_whole_and_its_headers_say_what_it_is(plane: Plane) -> None:
    link = await plane.image_link()
    head, got = await plane.client.head(link), await plane.client.get(link)
    assert (got.status_code, got.content) == (200, CONTENT)
    assert (head.status_code, head.content) == (200, b"")
    for answer in (head, got):
        assert answer.headers["content-length"] == str(len(CONTENT))
        assert answer.headers["etag"] == f'"{SHA256}"'
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-disposition"] == 'attachment; filename="new.bin"'
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert urlsplit(link).path.endswith("/new.bin")


@pytest.mark.req("FW-09")
@pytest.mark.parametrize(
    ("header", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=100-299999", 206, 100, 299_999),
        ("bytes=700000-", 206, 700_000, 700_000),
        ("bytes=600000-999999999", 206, 600_000, 700_000),
        ("bytes=-5", 206, 699_996, 700_000),
        ("bytes=-9999999", 206, 0, 700_000),
        ("BYTES = 5-6", 206, 5, 6),
        ("bytes=0-1,5-6", 200, 0, 700_000),
        ("bytes=9-5", 200, 0, 700_000),
        ("bytes=-", 200, 0, 700_000),
        ("lines=1-2", 200, 0, 700_000),
    ],
)
async def test_any_part_can_be_had(plane: Plane, header: str, status: int, first: int, last: int) -> None:
    answer = await plane.client.get(await plane.image_link(), headers={"range": header})
    assert (answer.status_code, answer.content) == (status, CONTENT[first : last + 1])
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"


@pytest.mark.req("FW-09")
async def test_parts_outside_of_the_file_and_other_versions_of_it(plane: Plane) -> None:
    link = await plane.image_link()
    for header in ("bytes=700001-", "bytes=9999999-99999999", "bytes=-0"):
        answer = await plane.client.get(link, headers={"range": header})
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */700001")
    part = {"range": "bytes=1-2"}
    assert (await plane.client.get(link, headers={**part, "if-range": '"other"'})).status_code == 200
    assert (await plane.client.get(link, headers={**part, "if-range": f'"{SHA256}"'})).status_code == 206
    assert (await plane.client.get(link, headers={"if-none-match": f'"{SHA256}"'})).status_code == 304


@pytest.mark.req("FW-09")
async def test_a_download_that_breaks_is_resumed_with_the_same_link(plane: Plane) -> None:
    link, got = await plane.image_link(), b""
    while len(got) < len(CONTENT):
        stream = await plane.dial()
        range_ = f"range: bytes={len(got)}-"
        await stream.send_all(f"GET {urlsplit(link).path} HTTP/1.1\r\nhost: x\r\n{range_}\r\n\r\n".encode())
        answer = b""
        while len(answer) < min(150_000, len(CONTENT) - len(got)):
            answer += await stream.receive_some()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 206")
        got += body
        await stream.aclose()  # the line breaks
    assert got == CONTENT


@pytest.mark.req("FW-09")
async def test_a_link_is_good_until_the_image_is_there_or_a_newer_update_comes(plane: Plane) -> None:
    from csmsd_firmware.job_rows import JobWrites, NewJob, StatusRow
    from csmsd_firmware.records import Job
    from csmsd_firmware.tokens import hash_in

    writes, store = JobWrites(plane.host.store), plane.host.store
    now = plane.host.env.now()
    image = await plane.add_image()

    async def told() -> str:
        link = await plane.firmware.links.to_image("CP-1", image)
        job = Job(
            id=0, kind="firmware", station_id="CP-1", location="", state="accepted", requested_at=now, changed_at=now
        )
        await store.submit(writes.add, NewJob(job, hash_in(link)))
        return link

    first, second = await told(), await told()
    assert (await plane.client.get(first)).status_code == 404
    assert (await plane.client.get(second)).status_code == 200
    await store.submit(writes.report, StatusRow("firmware", "CP-1", "Downloading", now))
    assert (await plane.client.get(second)).status_code == 200
    await store.submit(writes.report, StatusRow("firmware", "CP-1", "Downloaded", now))
    assert (await plane.client.get(second)).status_code == 404


@pytest.mark.req("DIAG-04")
@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("name", ["", "log.zip", "a/b/log.tar.gz"])
async def test_a_file_is_taken_once_by_put_and_by_post(plane: Plane, method: str, name: str) -> None:
    link = await plane.upload_link()
    answer = await plane.client.request(method, link + name, content=CONTENT)
    assert answer.status_code == 201, answer.text
    (file,) = await plane.files()
    assert (file.station_id, file.size, file.sha256) == ("CP-1", len(CONTENT), SHA256)
    assert file.claimed_name == name.rpartition("/")[2]
    assert [path.read_bytes() for path in plane.stored] == [CONTENT]
    assert (await plane.client.request(method, link + name, content=b"again")).status_code == 404
    saved = await plane.client.get(f"/api/v1/diagnostics/files/{file.id}/content")
    assert saved.content == CONTENT
    assert saved.headers["content-disposition"].startswith(f'attachment; filename="diagnostics-{file.id}.')


@pytest.mark.req("DIAG-04")
async def test_a_file_is_taken_out_of_a_form_and_in_chunks(plane: Plane) -> None:
    form = {"note": "hello"}
    answer = await plane.client.post(
        await plane.upload_link(), data=form, files={"file": ("log.zip", CONTENT, "application/zip")}
    )
    assert answer.status_code == 201, answer.text

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), 50_000):
            yield CONTENT[start : start + 50_000]

    assert (await plane.client.put(await plane.upload_link(), content=pieces())).status_code == 201
    assert [(each.sha256, each.claimed_name) for each in await plane.files()] == [(SHA256, ""), (SHA256, "log.zip")]


@pytest.mark.req("DIAG-04")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="a"; filename="f"\r\n\r\nb'),
        ("multipart/form-data", b"--x--"),
        ("application/octet-stream", b""),
    ],
)
async def test_what_is_no_file_leaves_nothing_and_may_be_tried_again(
    plane: Plane, content_type: str, body: bytes
) -> None:
    link = await plane.upload_link()
    answer = await plane.client.post(link, content=body, headers={"content-type": content_type})
    assert answer.status_code == 400, answer.text
    assert plane.stored == []
    assert (await plane.client.put(link, content=b"x")).status_code == 201


@pytest.mark.req("DIAG-04")
async def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(plane: Plane) -> None:
    link = await plane.upload_link()
    form = b'--x\r\ncontent-disposition: form-data; name="a"; filename="f"\r\n\r\n'
    field = b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n'
    kind = "content-type: multipart/form-data; boundary=x\r\ncontent-length: 9000000"
    for headers, body in (
        ("content-length: 1000001", b""),
        ("transfer-encoding: chunked", (b"c350\r\n" + bytes(50_000) + b"\r\n") * 21),
        (kind, form + bytes(1_000_001)),
        (kind, field + bytes(1_100_000)),
    ):
        assert (await plane.bring_raw(link, headers, body)).startswith(b"HTTP/1.1 413")
    assert plane.stored == []
    assert (await plane.client.put(link, content=bytes(1_000_000))).status_code == 201


@pytest.mark.req("DIAG-04")
async def test_each_station_has_a_quota(plane: Plane) -> None:
    assert (await plane.client.put(await plane.upload_link(), content=bytes(900_000))).status_code == 201
    assert (await plane.client.put(await plane.upload_link(), content=bytes(600_001))).status_code == 413
    assert (await plane.client.put(await plane.upload_link("CP-2"), content=bytes(600_001))).status_code == 201
    assert (await plane.client.put(await plane.upload_link(), content=bytes(600_000))).status_code == 201
    assert (await plane.client.put(await plane.upload_link(), content=b"x")).status_code == 413
    file = next(each for each in await plane.files() if each.station_id == "CP-1")
    assert (await plane.client.delete(f"/api/v1/diagnostics/files/{file.id}")).status_code == 204
    assert (await plane.client.put(await plane.upload_link(), content=b"x")).status_code == 201


@pytest.mark.req("DIAG-04")
@pytest.mark.parametrize("is_silent", [False, True])
async def test_an_upload_that_breaks_or_falls_silent_leaves_nothing_and_may_be_repeated(
    plane: Plane, is_silent: bool
) -> None:
    link = urlsplit(await plane.upload_link())
    stream = await trio.open_tcp_stream(link.hostname or "", link.port or 0)
    await stream.send_all(f"PUT {link.path} HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n".encode())
    await stream.send_all(bytes(300_000))
    if is_silent:
        with trio.fail_after(10):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 408")
    else:
        await trio.sleep(0.3)
        assert [path.suffix for path in plane.stored] == [".part"]
    await stream.aclose()
    with trio.fail_after(10):
        while plane.stored:  # noqa: ASYNC110
            await trio.sleep(0.05)
        while (await plane.client.put(link.geturl(), content=CONTENT)).status_code == 409:  # noqa: ASYNC110
            await trio.sleep(0.05)
    assert [each.sha256 for each in await plane.files()] == [SHA256]


@pytest.mark.req("DIAG-04")
async def test_of_two_uploads_at_a_time_one_is_kept(plane: Plane) -> None:
    link, statuses = await plane.upload_link(), list[int]()

    async def bring() -> None:
        statuses.append((await plane.client.put(link, content=bytes(1000))).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(bring)
    assert statuses.count(201) == 1
    assert set(statuses) <= {201, 404, 409}
    assert len(plane.stored) == len(await plane.files()) == 1


@pytest.mark.req("FW-09", "DIAG-04")
async def test_whatever_is_wrong_with_a_link_is_refused_alike(plane: Plane) -> None:
    image, upload = await plane.image_link(), await plane.upload_link()
    token = urlsplit(image).path.split("/")[-2]
    wrong = [
        ("GET", image.replace("/CP-1/", "/CP-2/")),  # another station's
        ("PUT", upload.replace("/CP-1/", "/CP-2/")),
        ("GET", upload),  # for something else
        ("HEAD", upload),
        ("PUT", image),
        ("POST", image),
        ("GET", image.replace(token, token[:-1] + ("A" if token[-1] != "A" else "B"))),
        ("GET", image.replace(token, token[:-1])),
        ("GET", image.replace(token, token.swapcase())),
        ("GET", image.replace(token, hashlib.sha256(token.encode()).hexdigest())),  # what is in the database
        ("GET", image.replace("/CP-1/", "/nobody/")),
    ]
    answers = [
        await plane.client.request(method, url, content=b"x" if method != "HEAD" else None) for method, url in wrong
    ]
    plane.clock.ahead = timedelta(days=1, seconds=1)
    answers += [await plane.client.get(image), await plane.client.put(upload, content=b"x")]
    plane.clock.ahead = timedelta()
    assert (await plane.client.put(upload, content=b"x")).status_code == 201
    answers.append(await plane.client.put(upload, content=b"x"))
    assert (await plane.client.delete("/api/v1/firmware/images/new.bin")).status_code == 204
    answers.append(await plane.client.get(image))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers if answer.request.method != "HEAD"}) == 1
    different = {"date", "content-length"}
    shapes = {tuple((name, value) for name, value in each.headers.items() if name not in different) for each in answers}
    assert len(shapes) == 1
    assert len(await plane.files()) == 1


@pytest.mark.req("FW-09")
async def test_other_methods_and_a_missing_content(plane: Plane) -> None:
    link = await plane.image_link()
    for method in ("DELETE", "PATCH", "OPTIONS", "BREW"):
        assert (await plane.client.request(method, link)).status_code in (404, 405, 501)
    plane.stored[0].unlink()
    assert (await plane.client.get(link)).status_code == 404


NASTY = (
    "../../../etc/passwd", "..", ".", "/etc/passwd", "C:\\windows\\x", "..\\..\\x", "a\0b", "a\nb", "a\r\nX-Y: z",
    "'; DROP", "%2e%2e%2f%2e%2e%2fx", "..%2f..%2fx", "%00", "....//....//x", "con", "nul.txt", "~root", "$(id)",
    "`id`", "|id", "x" * 300, "é" * 200, "\u202ecod.exe", "<script>", "a/../../../b", "file:///etc/passwd",
    ".htaccess", "-rf", "*", "?x=1", "#x", ";x", "\\\\host\\share", "//host/share",
)  # fmt: skip


def outside(folder: Path) -> set[str]:
    """Everything but the store's content and the database, which changes its files as it likes."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {each for each in found if not each.startswith(("data/files/", "data/csmsd.db"))}


@pytest.mark.req("DIAG-04")
async def test_no_name_leads_out_of_the_store(tmp_path: Path) -> None:
    from urllib.parse import quote

    folder = tmp_path / "data"
    async with open_plane(folder) as plane:
        before = outside(tmp_path)
        names = [f"{prefix}{name}" for name in NASTY for prefix in ("", "../", "x/", "../" * 12)]
        assert len(names) >= 130
        tried = 0
        for name in names:
            for how in ("path", "quoted", "form"):
                link = await plane.upload_link()
                if how == "form":
                    answer = await plane.client.post(link, files={"file": (name, b"x")})
                    assert answer.status_code in (201, 400), (name, answer.text)
                else:
                    path = quote(name, safe="" if how == "quoted" else "/.\\%~")
                    target = urlsplit(link).path + path
                    await _put_raw(plane, target)
                tried += 1
        assert tried >= 300
        after = outside(tmp_path)
        assert after - before <= {"data/files"}
        assert len(plane.stored) == len(await plane.files()) > 200
        assert all(len(path.name) == 32 and path.stat().st_mode & 0o777 == 0o600 for path in plane.stored)
        for file in await plane.files():
            saved = await plane.client.get(f"/api/v1/diagnostics/files/{file.id}/content")
            disposition = saved.headers["content-disposition"]
            assert disposition.isascii()
            assert not set(disposition.removeprefix("attachment; filename=").strip('"')) & set('/\\"\r\n%')


async def _put_raw(plane: Plane, target: str) -> None:
    """The path as it is: clients would tidy it up."""
    stream = await plane.dial()
    async with stream:
        head = f"PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx"
        await stream.send_all(head.encode("latin-1", "replace"))
        with trio.fail_after(10):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 ")


@pytest.mark.req("FW-09")
async def test_images_are_added_checked_listed_and_removed(plane: Plane) -> None:
    add = "/api/v1/firmware/images/"
    query = {"version": "2.0", "note": "fixes", "sha256": SHA256.upper()}
    added = await plane.client.put(f"{add}new.bin", content=CONTENT, params=query)
    assert added.status_code == 201, added.text
    assert (added.json()["size"], added.json()["sha256"]) == (len(CONTENT), SHA256)
    wrong = await plane.client.put(f"{add}b.bin", content=b"x", params={"sha256": SHA256})
    assert wrong.status_code == 422
    for name in ("new.bin", "..%2Fx", "%2e%2e", "a%20b", ".hidden", "x" * 101):
        assert (await plane.client.put(f"{add}{name}", content=b"x")).status_code in (404, 422), name
    assert (await plane.client.put(f"{add}empty", content=b"")).status_code == 422
    assert len(plane.stored) == 1
    assert [each["name"] for each in (await plane.client.get(add.rstrip("/"))).json()["items"]] == ["new.bin"]
    assert (await plane.client.delete(f"{add}new.bin")).status_code == 204
    assert (await plane.client.delete(f"{add}new.bin")).status_code == 404
    assert plane.stored == []


@pytest.mark.req("FW-09", "DIAG-04")
async def test_only_the_file_plane_is_open_to_everybody(plane: Plane) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=plane.client.base_url) as stranger:
        for method, path in (
            ("GET", "/firmware/images"), ("PUT", "/firmware/images/x"), ("DELETE", "/firmware/images/x"),
            ("GET", "/diagnostics/files"), ("GET", "/diagnostics/files/1/content"), ("DELETE", "/diagnostics/files/1"),
            ("POST", "/firmware/campaigns"), ("POST", "/firmware/campaigns/1/abort"), ("GET", "/firmware/jobs/1"),
            ("POST", "/stations/CP-1/firmware"), ("POST", "/stations/CP-1/diagnostics"),
        ):  # fmt: skip
            assert (await stranger.request(method, f"/api/v1{path}", content=b"{}")).status_code == 401, path
        assert (await stranger.get(await plane.image_link())).content == CONTENT


@pytest.mark.req("DIAG-04")
async def test_old_files_links_and_strays_are_swept(tmp_path: Path) -> None:
    async with open_plane(tmp_path, file_retention_days=1) as plane:
        await plane.image_link()
        assert (await plane.client.put(await plane.upload_link(), content=b"x")).status_code == 201
        stray = tmp_path / "files" / ("0" * 32 + ".part")
        foreign = tmp_path / "files" / "README"
        for path in (stray, foreign):
            path.write_bytes(b"x")
            os.utime(path, (0, 0))
        await plane.firmware.cleaning.sweep()
        assert not stray.exists()
        assert foreign.exists(), "only what has a name of ours is ours to remove"
        assert len(await plane.files()) == 1
        plane.clock.ahead = timedelta(days=3)
        await plane.firmware.cleaning.sweep()
        assert await plane.files() == []
        assert len([path for path in plane.stored if path != foreign]) == 1, "the image stays"
