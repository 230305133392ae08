"""/admin/tools: what agents can do here, where each tool comes from, and whether it may be real."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from mixus.agents.catalog import Catalog
from mixus.agents.templates import catalogue
from mixus.agents.tools import toolbox
from mixus.agents.tools.registry import Registry
from mixus.agents.tools.toolbox import Toolbox
from mixus.evals.lifecycle import Area, Effect
from mixus.server.web import frame
from mixus.server.web.visits import Seeing

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class ListedTool:
    """`server` is the MCP server that it is from; None for one of ours. `needs` is what a task must bring."""

    name: str
    description: str
    effect: Effect
    server: str | None
    may_be_live: bool
    needs: Area | None
    templates: Sequence[str]


@router.get("/admin/tools")
def show_tools(visit: Seeing) -> Response:
    catalog = visit.services.catalog
    return frame.page(
        visit,
        "admin_tools.html",
        tools=tools_of(catalog),
        servers=toolbox.servers_of(catalog.tools),
        mcp_file=visit.services.settings.mcp_file is not None,
        lacking=[
            (template, catalogue.missing_tools(template, catalog.tools))
            for template in catalogue.TEMPLATES.values()
            if catalogue.missing_tools(template, catalog.tools)
        ],
    )


def tools_of(catalog: Catalog) -> Sequence[ListedTool]:
    return [
        ListedTool(
            name=name,
            description=tool.description,
            effect=tool.effect,
            server=_server_of(catalog.tools, name),
            may_be_live=name in catalog.live.tools,
            needs=tool.needs_seed,
            templates=[each.name for each in catalogue.TEMPLATES.values() if name in each.tools],
        )
        for name, tool in catalog.tools.items()
    ]


def _server_of(tools: Registry, name: str) -> str | None:
    is_foreign = isinstance(tools, Toolbox) and name in tools.servers
    return name.partition("_")[0] if is_foreign else None
