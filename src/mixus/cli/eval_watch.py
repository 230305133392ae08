"""How `mixus eval watch` follows an execution: events as they come, while a long poll says when to stop."""

import asyncio

from mixus.cli import eval_output as output
from mixus.client import AsyncClient, Status


class Printer:
    """Prints each trace entry once, whichever way it comes."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._last_number = 0

    def show(self, kind: str, members: dict[str, object]) -> None:
        number = members.get("number")
        if isinstance(number, int):
            if number <= self._last_number:
                return
            self._last_number = number
        if self._json:
            output.print_json(members)
        else:
            output.print_event(kind, str(members.get("at", "")), members)


async def follow(execution_id: str, *, json: bool) -> Status:
    """Print until the execution waits for a human or ends; return where it is then."""
    printer = Printer(json=json)
    async with AsyncClient() as client:
        listening = asyncio.create_task(listen(client, execution_id, printer))
        waiting = asyncio.create_task(client.wait(execution_id))
        try:
            await asyncio.wait({listening, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                # The events are over, so the execution is too; an error of theirs is raised here.
                listening.result()
            status = await waiting
        finally:
            listening.cancel()
            waiting.cancel()
            await asyncio.gather(listening, waiting, return_exceptions=True)
        # What happened last may still have been on its way as an event.
        async for entry in client.trace(execution_id):
            printer.show(entry.kind, entry.raw)
    return status


async def listen(client: AsyncClient, execution_id: str, printer: Printer) -> None:
    async for event in client.events(execution_id):
        if not event.is_closing:
            printer.show(event.kind, event.data)
