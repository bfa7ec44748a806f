"""The program of a tester who certifies a csmsd with the driver `command`; urllib starts quickly.

python drive_csmsd.py API TOKEN < order
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

API, TOKEN = sys.argv[1:3]


def ask(method: str, path: str, body: object = None, **headers: str) -> Any:
    content = None if body is None else json.dumps(body).encode()
    headers |= {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    with urlopen(Request(f"{API}/api/v1{path}", content, headers, method=method)) as response:
        return json.loads(response.read() or b"null")


def answer(order: str, details: dict[str, Any]) -> dict[str, Any]:
    match order:
        case "begin":
            return {"name": "A csmsd", "version": ask("GET", "/info")["version"], "configuration": {"Mood": "good"}}
        case "put_station":
            station: dict[str, Any] = {"security_profile": details["security_profile"]}
            if details["password"] is not None:
                station["password"] = details["password"]
            ask("PUT", f"/stations/{quote(details['identity'])}", station)
        case "put_tag":
            tag = {
                "status": details["status"],
                "parent_id_tag": details["parent_id_tag"],
                "expiry_date": details["expires_at"],
            }
            ask("PUT", f"/tags/{quote(details['id_tag'])}", tag)
        case "raise_profile":
            path = f"/stations/{quote(details['identity'])}"
            ask("PUT", path, {"profile_upgrade_to": details["security_profile"]})
        case "send":
            path = f"/stations/{quote(details['identity'])}/commands/{details['action']}"
            try:
                return {"id": ask("POST", path, details["payload"], Prefer="respond-async")["id"]}
            except HTTPError as error:
                return {"refused": json.loads(error.read())["detail"]}
        case "outcome":
            command = ask("GET", f"/commands/{details['id']}")
            if command["finished_at"] is None:
                return {"state": "pending"}
            return {"state": command["state"], "result": command["result"] or {}, "error": ""}
        case "end":
            for identity in details["stations"]:
                ask("DELETE", f"/stations/{quote(identity)}")
            for id_tag in details["tags"]:
                ask("DELETE", f"/tags/{quote(id_tag)}")
    return {}


asked = json.load(sys.stdin)
print(json.dumps(answer(asked.pop("order"), asked)))
