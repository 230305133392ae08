"""How an answer is written: a document made by hand, in one pass, with stored JSON passed on unread."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from mixus.core.pages import Page

Document = dict[str, Any]


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def success(document: Mapping[str, Any], status: int = 200) -> Json:
    return Json({"success": True, **document}, status)


def page_of(page: Page[Document], members: Mapping[str, Any] | None = None) -> Json:
    return success({"items": list(page.items), "nextCursor": page.next_cursor, **(members or {})})
