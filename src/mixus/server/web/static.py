"""The few files that pages load: named by what is in them, so that browsers keep them for ever."""

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from mixus.core.errors import NotFound

FILES: Final = Path(__file__).parent / "static"
TYPES: Final = {
    "mixus.css": "text/css",
    "mixus.js": "text/javascript",
    "mixus.svg": "image/svg+xml",
}
HEADERS: Final = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}

router = APIRouter(include_in_schema=False)


@router.get("/static/{name}")
async def static_file(request: Request, name: str) -> Response:
    """Compressed where the browser takes that. Pages never are: they hold a secret beside foreign text."""
    if name not in TYPES:
        raise NotFound("There is no such file.")
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(content(name), media_type=TYPES[name], headers=HEADERS)
    headers = HEADERS | {"Content-Encoding": "gzip"}
    return Response(compressed(name), media_type=TYPES[name], headers=headers)


@lru_cache(maxsize=len(TYPES))
def address(name: str) -> str:
    """With a digest of the content: a new release is loaded anew, and nothing else ever is."""
    return f"/static/{name}?{hashlib.sha256(content(name)).hexdigest()[:12]}"


@lru_cache(maxsize=len(TYPES))
def content(name: str) -> bytes:
    return (FILES / name).read_bytes()


@lru_cache(maxsize=len(TYPES))
def compressed(name: str) -> bytes:
    return gzip.compress(content(name), mtime=0)
