"""A job's log as it grows: server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool

_LOOK = 0.3  # seconds between two looks at the file
_ALIVE = 15.0  # seconds after which something is sent, so that no proxy closes
_CHUNK = 1 << 16


async def events(log: Path, offset: int, is_over: Callable[[], bool]) -> AsyncIterator[str]:
    """An event for each piece of whole lines, whose id is the offset after it: who comes back sends it as
    Last-Event-ID. The last event is ``end``."""
    silent = 0.0
    while True:
        over = await run_in_threadpool(is_over)  # before the file is read: nothing comes after that
        text, offset = await run_in_threadpool(_lines_from, log, offset, over)
        if text:
            silent = 0.0
            yield _event(text, offset)
            continue
        if over:
            yield "event: end\ndata: \n\n"
            return
        await asyncio.sleep(_LOOK)
        silent += _LOOK
        if silent >= _ALIVE:
            silent = 0.0
            yield ": alive\n\n"


def _lines_from(log: Path, offset: int, to_the_end: bool) -> tuple[str, int]:
    """Whole lines from there on, and where they end."""
    try:
        with log.open("rb") as file:
            file.seek(offset)
            content = file.read(_CHUNK)
    except FileNotFoundError:
        return "", offset
    whole = content.rfind(b"\n") + 1
    if not whole and (to_the_end or len(content) == _CHUNK):  # a last line without an end, or a very long one
        whole = len(content)
    return content[:whole].decode(errors="replace"), offset + whole


def _event(text: str, offset: int) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    return f"id: {offset}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"
