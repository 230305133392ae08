"""The server that `mixus eval` speaks to, and what is said when it refuses or is not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mixus.client import Client


@contextmanager
def server() -> Iterator["Client"]:
    from mixus.client import Client

    with refusals_told(), Client() as client:
        yield client


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turn whatever the server refuses, or that there is none, into one sentence and exit code 5."""
    from mixus.cli import eval_output as output
    from mixus.client import MixusError

    try:
        yield
    except MixusError as error:
        output.print_error(error)
        raise typer.Exit(output.REFUSED) from None
    except ValueError as wrong:
        # UnicodeError too: an empty id, or an argument that is no text.
        raise typer.BadParameter(
            str(wrong) if type(wrong) is ValueError else "This is no text in UTF-8."
        ) from None
