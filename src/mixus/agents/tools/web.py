"""Reading the web: `web_fetch` from listed hosts, and `web_search` by a SearXNG server."""

import asyncio
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from pydantic import Field

from mixus.agents.tools import outbound, readable
from mixus.agents.tools.outbound import Answer, Gateway
from mixus.agents.tools.registry import Arguments, Context, Registry, Tool, ToolFailed, registry
from mixus.core.hosts import entry_of, parse_hosts
from mixus.evals.lifecycle import Effect

ACCEPTED: Final = {"Accept": "text/html, application/json;q=0.9, text/*;q=0.8, application/xml;q=0.7"}
MAX_RESULTS: Final = 10
MAX_SNIPPET: Final = 500
OK: Final = 200


class Fetch(Arguments):
    url: str = Field(min_length=1, max_length=2000)


class Search(Arguments):
    query: str = Field(min_length=1, max_length=500)
    count: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = 5


def tools(hosts: str | None, search_url: str | None) -> Registry:
    """Each only where an admin said where it may read."""
    fetch = [] if hosts is None else [web_fetch(Gateway(parse_hosts(hosts)))]
    search = [] if search_url is None else [web_search(search_url)]
    return registry(*fetch, *search)


def web_fetch(gateway: Gateway) -> Tool:
    async def run(arguments: Fetch, _context: Context) -> dict[str, Any]:
        answer = await outbound.fetch(gateway, arguments.url, ACCEPTED)
        # A megabyte of markup takes up to a second, which others need not wait for.
        return await asyncio.to_thread(_page, answer)

    return Tool("web_fetch", "Read a web page or text file as plain text.", Effect.READ, Fetch, run)


def web_search(url: str, gateway: Gateway | None = None) -> Tool:
    """Asks the server at `url`, and follows it nowhere else."""
    way = gateway or Gateway((entry_of(url),))

    async def run(arguments: Search, _context: Context) -> list[dict[str, str]]:
        query = urlencode({"q": arguments.query, "format": "json"})
        answer = await outbound.fetch(way, f"{url}/search?{query}", {"Accept": "application/json"}, 0)
        return _found(answer)[: arguments.count]

    return Tool("web_search", "Search the web.", Effect.READ, Search, run)


def _page(answer: Answer) -> dict[str, Any]:
    content_type = answer.headers.get("Content-Type", "")
    kind = readable.media_type(content_type)
    if not readable.is_text(content_type):
        raise ToolFailed(f"The answer is {kind[:100] or 'of no stated type'}; only text can be read.")
    page = readable.read(answer.content, content_type)
    text = readable.clipped(page.text, is_cut=answer.is_cut)
    return {
        "url": answer.url,
        "status": answer.status,
        "contentType": kind,
        "title": page.title,
        "text": text,
    }


def _found(answer: Answer) -> list[dict[str, str]]:
    if answer.status != OK:
        raise ToolFailed(
            f"The search server answers {answer.status}; an admin must see to it (SearXNG answers 403 "
            "until its settings allow the format json)."
        )
    try:
        results = orjson.loads(answer.content)["results"]
        return [_result(result) for result in results if isinstance(result["url"], str)]
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as unreadable:
        raise ToolFailed("The search server's answer cannot be read as results of SearXNG.") from unreadable


def _result(result: Any) -> dict[str, str]:
    snippet = str(result.get("content") or "")[:MAX_SNIPPET]
    return {
        "title": str(result.get("title") or "")[: readable.MAX_TITLE],
        "url": result["url"],
        "snippet": snippet,
    }
