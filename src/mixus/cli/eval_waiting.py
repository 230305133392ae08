"""How `create`, `decide` and `status` wait for the next pause or the end."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mixus.client import Client, Status

# Longer than this nobody looks at an empty screen without a word.
SILENCE_SECONDS: Final = 10.0


def wait_patiently(client: "Client", execution_id: str) -> "Status":
    """However long it takes; who waits is told once, where to look."""
    from mixus.cli import eval_output as output
    from mixus.client import TimedOut

    try:
        return client.wait(execution_id, timeout_seconds=SILENCE_SECONDS)
    except TimedOut:
        output.print_still(execution_id)
        return client.wait(execution_id)


def wait_for(client: "Client", execution_id: str, timeout_seconds: float) -> "Status":
    from mixus.client import TimedOut

    try:
        return client.wait(execution_id, timeout_seconds=timeout_seconds)
    except TimedOut:
        return client.status(execution_id)
