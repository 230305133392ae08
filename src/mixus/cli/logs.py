"""Log lines on standard error: short, in UTC, and never with a key in them."""

import logging
import re
import sys
import time
from asyncio import CancelledError

KEY = re.compile(r"mxs_eval_[0-9A-Za-z]{32}")
# What others log at INFO tells an admin nothing that our own lines do not say.
QUIET = ("alembic", "asyncio", "dbos", "httpx2", "openai", "uvicorn")


class Redacted(logging.Formatter):
    """Works on the whole line, so that a key in an exception's text is hidden too."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        return KEY.sub("mxs_eval_…", super().format(record))


def is_news(record: logging.LogRecord) -> bool:
    """Streams and long polls that an orderly stop cuts off are no errors."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is not CancelledError and "timeout graceful shutdown exceeded" not in record.getMessage()


def configure() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_news)
    handler.setFormatter(Redacted("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.handlers.clear()
        library.propagate = True
