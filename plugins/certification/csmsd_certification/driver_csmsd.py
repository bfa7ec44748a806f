"""The driver `csmsd`: another csmsd, through its management API."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

import msgspec
import trio

from csmsd.client import ApiError, find_server, segment
from csmsd.errors import ConfigError, CsmsdError
from csmsd_certification.central import Outcome, PluginInfo, Refused
from csmsd_certification.driver import OPTION, DrivenCentralSystem, Target
from csmsd_core import Tag

T = TypeVar("T")
_NOT_FOUND = 404
_POLL = 0.1  # seconds between looks at a command
_GOODBYE = 20.0  # seconds to tidy up


class CsmsdOptions(msgspec.Struct, frozen=True):
    """Where its management API is."""

    api: Annotated[str, "URL of its management API. [CSMSD_URL, else as it left word in data_dir]"] = ""
    token: Annotated[str, "An API token that may operate. [CSMSD_TOKEN, else the one in data_dir]"] = ""


class _Id(msgspec.Struct, frozen=True):
    id: str


class _Info(msgspec.Struct, frozen=True):
    version: str


class _PluginStatus(msgspec.Struct, frozen=True):
    name: str
    state: str
    version: str
    actions: tuple[str, ...]
    commands: tuple[str, ...]


class _CommandView(msgspec.Struct, frozen=True):
    state: str
    finished_at: str | None
    result: msgspec.Raw  # null if there is none
    error_code: str
    error: str


class CsmsdDriver(DrivenCentralSystem[CsmsdOptions]):
    """Registers stations and id tags, sends commands and looks at what became of them; tidies up at the end."""

    options_type = CsmsdOptions

    def __init__(self, target: Target, options: CsmsdOptions) -> None:
        super().__init__(target, options)
        self._client = find_server(target.data_dir, url=options.api, token=options.token)
        self._made: list[str] = []  # paths

    async def begin(self) -> None:
        """See DrivenCentralSystem."""
        try:
            await self._look_around()
        except BaseException:
            self._client.close()
            raise

    async def _look_around(self) -> None:
        try:
            version = msgspec.json.decode(await self._ask(self._client.get, "/info"), type=_Info).version
            listed = await self._ask(lambda: list(self._client.items("/plugins")))
            await self._may_operate()
        except msgspec.MsgspecError:
            raise ConfigError(_no_csmsd(self._client.url)) from None
        except ApiError as error:
            raise self._about(error) from error
        plugins = [msgspec.json.decode(each, type=_PluginStatus) for each in listed]
        infos = [
            PluginInfo(each.name, each.version, tuple(dict.fromkeys((*each.actions, *each.commands))))
            for each in plugins
            if each.state == "enabled"
        ]
        offered = [name for info in infos for name in info.messages]
        driver = ("Driver", f"csmsd, by the management API at {self._client.url}")
        self.describe("csmsd", version, driver, plugins=infos, offered=offered)

    async def end(self) -> None:
        """Remove the stations and id tags that were made."""
        with trio.move_on_after(_GOODBYE):
            for path in reversed(self._made):
                try:
                    await self._ask(self._client.delete, path)
                except ApiError:  # it was never there, or the system does not want to; the report is about other things
                    continue
                except CsmsdError:
                    break
        self._client.close()

    async def put_station(self, identity: str, password: str | None, security_profile: int) -> None:
        """See CentralSystem."""
        shown = {} if password is None else {"password": password}
        await self._put(f"/stations/{segment(identity)}", {"security_profile": security_profile, **shown})

    async def put_tag(self, tag: Tag) -> None:
        """See CentralSystem."""
        body = {"status": tag.status, "expiry_date": tag.expires_at, "parent_id_tag": tag.parent_id_tag or None}
        await self._put(f"/tags/{segment(tag.id_tag)}", body)

    async def raise_profile(self, identity: str, security_profile: int) -> None:
        """See CentralSystem."""
        path = f"/stations/{segment(identity)}"
        await self._ask(self._client.put, path, {"profile_upgrade_to": security_profile})

    async def send(self, identity: str, action: str, payload: bytes) -> str:
        """See CentralSystem."""
        path = f"/stations/{segment(identity)}/commands/{segment(action)}"
        at_once = {"Prefer": "respond-async"}
        try:
            answer = await self._ask(partial(self._client.post, headers=at_once), path, payload)
        except ApiError as error:
            raise Refused(str(error)) from error
        return msgspec.json.decode(answer, type=_Id).id

    async def outcome(self, command_id: str) -> Outcome:
        """See CentralSystem."""
        path = f"/commands/{segment(command_id)}"
        while True:
            view = msgspec.json.decode(await self._ask(self._client.get, path), type=_CommandView)
            if view.finished_at is not None:
                result = bytes(view.result)
                return Outcome(view.state, b"{}" if result == b"null" else result, view.error or view.error_code)
            await trio.sleep(_POLL)

    async def _put(self, path: str, body: object) -> None:
        self._made.append(path)
        await self._ask(self._client.put, path, body)

    async def _may_operate(self) -> None:
        """A token that may only read is found out now, and not in each case."""
        try:
            await self._ask(self._client.delete, f"/stations/{segment(f'CERT{self.suffix}')}")
        except ApiError as error:
            if error.status != _NOT_FOUND:  # nobody is called so
                raise

    def _about(self, error: ApiError) -> CsmsdError:
        url = self._client.url
        match error.kind:
            case "unauthorized":
                return ConfigError(
                    f"the csmsd at {url} does not accept the token: give {OPTION} token=… or CSMSD_TOKEN"
                )
            case "forbidden":
                return ConfigError(f"the csmsd at {url} refuses: {error}")
            case "":  # csmsd says what kind of problem it has
                return ConfigError(_no_csmsd(url))
            case _:
                return error

    async def _ask(self, ask: Callable[..., T], *arguments: object) -> T:
        """The client is plain and synchronous."""
        return await trio.to_thread.run_sync(partial(ask, *arguments), abandon_on_cancel=True)


def _no_csmsd(url: str) -> str:
    return f"what answers at {url} is not the management API of a csmsd: see {OPTION} api"
