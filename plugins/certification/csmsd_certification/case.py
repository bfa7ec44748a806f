"""What a test case is, and the table of all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from csmsd_certification.execution import Execution

Functionality = Literal[
    "Core",
    "Firmware Management",
    "Local Auth List Management",
    "Reservation",
    "Remote Trigger",
    "Smart Charging",
    "Security",
]
Body = Callable[["Execution"], Awaitable[None]]


class CaseFailed(Exception):
    """A step did not go as the case prescribes."""

    def __init__(self, step: str, expected: str, got: str) -> None:
        super().__init__(f"{step}: expected {expected}, got {got}")
        self.step, self.expected, self.got = step, expected, got


@dataclass(frozen=True, slots=True)
class Case:
    """One case of the OCA's document. It is not applicable where no plugin offers one of the messages it `needs`."""

    id: str  # "TC_023_1"
    name: str
    functionality: Functionality
    needs: tuple[str, ...]
    body: Body
    security_profile: int = 1  # that the charger begins with
    raised_to: int = 0  # the profile that it has in the end, if it is another


class CaseTable:
    """The cases of one functionality, in the document's order."""

    def __init__(self, functionality: Functionality) -> None:
        self.functionality: Functionality = functionality
        self.cases: list[Case] = []

    def case(
        self, case_id: str, name: str, *needs: str, security_profile: int = 1, raised_to: int = 0
    ) -> Callable[[Body], Body]:
        """Declare a case; `needs` are OCPP names of actions and commands."""

        def declare(body: Body) -> Body:
            self.cases.append(Case(case_id, name, self.functionality, needs, body, security_profile, raised_to))
            return body

        return declare
