"""Log lines on standard error: short, in UTC, and never with a key in them."""

import logging
import sys
import time
from asyncio import CancelledError
from collections.abc import Collection

from mixus.agents.redaction import Redactor

LINE = "%(asctime)sZ %(levelname)s %(name)s: %(message)s"
MOMENT = "%Y-%m-%dT%H:%M:%S"

# What others log at INFO tells an admin nothing that our own lines do not say.
QUIET = ("alembic", "asyncio", "dbos", "httpx2", "openai", "uvicorn")


class Redacted(logging.Formatter):
    """Works on the whole line, so that a secret in an exception's text is hidden too."""

    converter = staticmethod(time.gmtime)

    def __init__(
        self, line: str | None = None, moment: str | None = None, *, secrets: Collection[str] = ()
    ) -> None:
        super().__init__(line, moment)
        self._redact = Redactor(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return str(self._redact(super().format(record)))


def is_news(record: logging.LogRecord) -> bool:
    """Streams and long polls that an orderly stop cuts off are no errors."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is not CancelledError and "timeout graceful shutdown exceeded" not in record.getMessage()


def configure(secrets: Collection[str] = ()) -> None:
    """Once before the settings are known, and again when their secrets are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_news)
    handler.setFormatter(Redacted(LINE, MOMENT, secrets=secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.handlers.clear()
        library.propagate = True
