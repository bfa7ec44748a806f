"""What a program holds at a moment: tasks, threads, open files."""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

_FILES = Path("/proc/self/fd")  # where there is none, files are not counted


@dataclass(frozen=True)
class Possessions:
    """Names, each with how many there are of it."""

    tasks: Counter[str]
    threads: Counter[str]
    files: Counter[str]

    @classmethod
    def now(cls) -> Possessions:
        """As it is in this trio run."""
        gc.collect()
        # trio keeps idle threads for a while
        threads = (one.name for one in threading.enumerate() if not one.name.startswith("Trio thread"))
        return cls(Counter(_tasks()), Counter(threads), Counter(_files()))

    def beyond(self, before: Possessions) -> Iterator[str]:
        """What is there now and was not before: "the task x"."""
        for kind in ("tasks", "threads", "files"):
            more: Counter[str] = getattr(self, kind) - getattr(before, kind)
            for name, count in sorted(more.items()):
                yield f"{f'{count} times ' if count > 1 else ''}the {kind.removesuffix('s')} {name}"


def _tasks() -> Iterator[str]:
    root = trio.lowlevel.current_root_task()
    tasks = [root] if root is not None else []
    while tasks:
        task = tasks.pop()
        yield task.name
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]


def _files() -> Iterator[str]:
    if not _FILES.is_dir():
        return
    for entry in os.listdir(_FILES):
        try:
            yield _general(os.readlink(_FILES / entry))
        except OSError:
            continue  # it was the listing's own


def _general(target: str) -> str:
    """Sockets and pipes are numbered: what is compared is how many there are."""
    return target.partition("[")[0].rstrip(":") if target.startswith(("socket:", "pipe:")) else target
