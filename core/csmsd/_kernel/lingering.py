"""Who holds up the end? trio cannot end a task that ignores its cancellation, but the operator can be told of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

PATIENCE = 5.0  # seconds, of the real clock: plugins may block it as well
log = logging.getLogger("csmsd.plugins")


@contextmanager
def naming_who_lingers(
    lingering: Callable[[], Sequence[str]], patience: float = PATIENCE
) -> Generator[None, None, None]:
    """While the block lasts longer than `patience`: say, once, what csmsd still waits for."""

    def complain() -> None:
        names = ", ".join(lingering()) or "something that is no plugin's"
        log.error("csmsd cannot end: it still waits for %s, which ignores that it is cancelled", names)

    timer = threading.Timer(patience, complain)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
