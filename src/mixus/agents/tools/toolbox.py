"""The tools of a deployment: what its settings make available, and nothing else."""

from collections.abc import Callable, Iterator, Mapping

from mixus.agents.tools import builtin, database, files, http, web
from mixus.agents.tools.registry import Registry, Tool
from mixus.core import smtp
from mixus.core.settings import Settings


def tools_of(settings: Settings) -> Registry:
    """By name, in the order in which they are listed."""
    return {
        **builtin.tools(smtp.server_of(settings)),
        **files.tools(settings.files),
        **database.tools(settings.query_database),
        **web.tools(settings.web_hosts, settings.search_url),
        **http.tools(settings.http_hosts),
    }


class Toolbox(Mapping[str, Tool]):
    """The deployment's own tools, and those of MCP servers, which come and go while it runs.

    `silent` names the servers that do not answer now.
    """

    def __init__(self, own: Registry, foreign: Registry, silent: Callable[[], list[str]]) -> None:
        self._own = own
        self._foreign = foreign
        self.silent = silent

    def __getitem__(self, name: str) -> Tool:
        return self._own[name] if name in self._own else self._foreign[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._foreign

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self._foreign

    def __len__(self) -> int:
        return len(self._own) + len(self._foreign)


def warnings(tools: Registry) -> list[str]:
    """What an admin should look after, without a word of a server's own."""
    silent = tools.silent() if isinstance(tools, Toolbox) else []
    return [f"The MCP server {name} does not answer." for name in silent]
