"""The tools of an MCP server as ours: names, effects and arguments from a listing that is foreign text."""

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any, Final

import mcp_types
import orjson

from mixus.agents.redaction import Redactor
from mixus.agents.tools.mcp_schema import SchemaRefused, arguments_of
from mixus.agents.tools.mcp_settings import Server
from mixus.agents.tools.registry import Arguments, Context, Tool, ToolFailed
from mixus.core.text import shortened, storable
from mixus.evals.lifecycle import Effect

MOST_TOOLS: Final = 100
MOST_CHARACTERS: Final = 300
# Longer names are refused by providers.
LONGEST_NAME: Final = 64

logger = logging.getLogger(__name__)

# What a server is asked: a tool by the server's own name for it, and its arguments.
Ask = Callable[[mcp_types.Tool, dict[str, Any]], Awaitable[Any]]

_FOREIGN = re.compile(r"[^a-z0-9_-]")
# They print as nothing, and can spell out what no reviewer sees.
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def tools_of(
    server: Server, listed: Sequence[mcp_types.Tool], reserved: Collection[str], ask: Ask
) -> list[Tool]:
    """The tools that the admin allows; one that cannot be used is left out, and the log says why."""
    wanted = [tool for tool in listed if server.tools is None or tool.name in server.tools]
    for name in sorted({*(server.tools or ()), *server.effects} - {tool.name for tool in listed}):
        # A name with a slip in it would leave the server's own word to hold.
        logger.warning("the MCP server %s has no tool %s, which MIXUS_MCP_FILE names", server.name, name)
    if len(wanted) > MOST_TOOLS:
        message = "the MCP server %s has %s tools; the first %s are used: name them with `tools`"
        logger.warning(message, server.name, len(wanted), MOST_TOOLS)
    return list(_usable(server, wanted[:MOST_TOOLS], reserved, ask))


def _usable(
    server: Server, listed: Sequence[mcp_types.Tool], reserved: Collection[str], ask: Ask
) -> Iterator[Tool]:
    counts = Counter(name_of(server, tool) for tool in listed)
    for tool in listed:
        name = name_of(server, tool)
        reason = _why_not(name, counts, reserved)
        try:
            if reason is None:
                yield _tool(server, tool, ask)
        except SchemaRefused as refused:
            reason = str(refused)
        if reason is not None:
            logger.warning("the tool %s is left out: %s", name[:LONGEST_NAME], reason)


def name_of(server: Server, tool: mcp_types.Tool) -> str:
    return f"{server.name}_{_FOREIGN.sub('_', tool.name.lower())}"


def _why_not(name: str, counts: Counter[str], reserved: Collection[str]) -> str | None:
    if len(name) > LONGEST_NAME:
        return f"its name has more than {LONGEST_NAME} characters"
    if counts[name] > 1:
        return "its server has two of this name"
    return "mixus has a tool of this name; call the server something else" if name in reserved else None


def _tool(server: Server, tool: mcp_types.Tool, ask: Ask) -> Tool:
    async def run(arguments: Arguments, _context: Context) -> Any:
        return await ask(tool, arguments.model_dump(mode="json"))

    redact = Redactor(server.secrets)
    return Tool(
        name=name_of(server, tool),
        description=cleaned(redact(tool.description or "")),
        effect=effect_of(server, tool),
        arguments=arguments_of(redact(tool.input_schema), cleaned),
        run=run,
        timeout_seconds=server.timeout_seconds,
    )


def effect_of(server: Server, tool: mcp_types.Tool) -> Effect:
    """The admin's word, or the annotations; where these contradict each other, the stricter one."""
    if tool.name in server.effects:
        return server.effects[tool.name]
    hints = tool.annotations
    if hints is not None and hints.destructive_hint:
        return Effect.DELETE
    return Effect.READ if hints is not None and hints.read_only_hint else Effect.OTHER


def stricter(before: Effect, now: Effect) -> Effect:
    """A server may take a promise back while we run, and not give one: it was approved as something else."""
    ranks = {Effect.READ: 0, Effect.DELETE: 2}
    return before if ranks.get(before, 1) > ranks.get(now, 1) else now


def cleaned(text: str) -> str:
    """A stranger's words on one line, short and without what does not show."""
    shown = _VARIATION_SELECTORS.sub("", str(storable(text)))
    line = "".join(character if character.isprintable() else " " for character in shown).strip()
    return shortened(line, MOST_CHARACTERS)


def result_of(server: Server, answer: mcp_types.CallToolResult) -> Any:
    """JSON, or the texts; raises ToolFailed where the tool itself says that it failed."""
    redact = Redactor(server.secrets)
    if answer.is_error:
        raise ToolFailed(f"The tool says: {cleaned(redact(_text(answer)))}")
    structured = redact(answer.structured_content)
    if structured is not None and _can_be_stored(structured):
        return structured
    return redact(_text(answer))


def _can_be_stored(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except (TypeError, RecursionError):
        return False
    return True


def _text(answer: mcp_types.CallToolResult) -> str:
    return "\n".join(str(storable(_part(part))) for part in answer.content)


def _part(part: mcp_types.ContentBlock) -> str:
    """A text as it is; what is none is named, and left out."""
    match part:
        case mcp_types.TextContent():
            return part.text
        case mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents() as resource):
            return resource.text
        case mcp_types.EmbeddedResource():
            return f"[a resource of type {cleaned(part.resource.mime_type or 'unknown')} was left out]"
        case mcp_types.ResourceLink():
            return f"[a link to {cleaned(str(part.uri))}]"
        case _:
            return f"[a part of type {cleaned(part.mime_type)} was left out]"
