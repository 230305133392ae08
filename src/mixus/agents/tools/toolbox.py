"""The tools of a deployment: what its settings make available, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence

from mixus.agents.tools import builtin, database, files, http, web
from mixus.agents.tools.registry import Registry, Tool
from mixus.agents.tools.servers import Servers, ServerState
from mixus.core import smtp
from mixus.core.errors import NotFound
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
    """The deployment's own tools, and those of MCP servers, which come and go while it runs."""

    def __init__(self, own: Registry, servers: Servers) -> None:
        self._own = own
        self.servers = servers

    def __getitem__(self, name: str) -> Tool:
        return self._own[name] if name in self._own else self.servers[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self.servers

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self.servers

    def __len__(self) -> int:
        return len(self._own) + len(self.servers)


def servers_of(tools: Registry) -> Sequence[ServerState]:
    return tools.servers.states() if isinstance(tools, Toolbox) else []


def ask_again(tools: Registry, name: str) -> bool:
    """Raises NotFound; see Servers.ask_again."""
    if not isinstance(tools, Toolbox) or name not in {server.name for server in servers_of(tools)}:
        raise NotFound("There is no MCP server of this name.")
    return tools.servers.ask_again(name)


def warnings(tools: Registry) -> list[str]:
    """What an admin should look after, without a word of a server's own."""
    silent = [server.name for server in servers_of(tools) if not server.answers]
    return [f"The MCP server {name} does not answer." for name in silent]
