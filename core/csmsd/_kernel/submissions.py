"""Commands of plain code: prepared one after the other, never before the answer to the CALL in hand (RPC-26)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from csmsd.errors import CsmsdError
from csmsd.pending import Pending

if TYPE_CHECKING:
    from csmsd._kernel.pool import Pool
    from csmsd.command import AnyCommand

Prepare = Callable[["AnyCommand", Any, float | None], Awaitable[Pending[Any]]]
Submission = tuple["AnyCommand", Any, Pending[Any]]


class Submissions:
    """Those for one connection, in order: none overtakes another whose guards take longer."""

    __slots__ = ("_held", "_is_preparing", "_patience", "_pool", "_prepare", "_ready")

    def __init__(self, prepare: Prepare, pool: Pool, patience: float) -> None:
        self._prepare, self._pool, self._patience = prepare, pool, patience
        self._held: list[Submission] = []  # until the CALL in hand is answered
        self._ready: list[Submission] = []
        self._is_preparing = False

    def add(self, command: AnyCommand, request: Any, *, is_held: bool) -> Pending[Any]:
        """The pending answer to a command."""
        answer: Pending[Any] = Pending()
        (self._held if is_held else self._ready).append((command, request, answer))
        self._go_on()
        return answer

    def release(self) -> None:
        """The CALL that was in hand is answered."""
        self._ready += self._held
        self._held.clear()
        self._go_on()

    def abandon(self, error: CsmsdError) -> None:
        """The connection is gone."""
        submissions = self._ready + self._held
        self._ready.clear()
        self._held.clear()
        for _, _, answer in submissions:
            answer.settle(error=error)

    def _go_on(self) -> None:
        if self._ready and not self._is_preparing:
            self._is_preparing = True
            command, request, answer = self._ready.pop(0)

            def prepared(on_line: Pending[Any] | None, error: BaseException | None) -> None:
                self._is_preparing = False
                self._go_on()
                if on_line is None:
                    answer.settle(error=error)
                else:
                    on_line.when_settled(answer.settle)

            self._pool.start(self._prepare, (command, request, None), self._patience, prepared)
