"""The tools for files: the admin's folder, with the execution's own copy laid over it in the sandbox."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from mixus.agents.tools import folder
from mixus.agents.tools.folder import MOST_BYTES, Kind
from mixus.agents.tools.paths import FilePath, FolderPath, above
from mixus.agents.tools.registry import (
    MOST_RESULT_CHARACTERS,
    Arguments,
    Changed,
    Context,
    Registry,
    Tool,
    ToolFailed,
    Workspace,
    registry,
)
from mixus.core.text import length_in_json
from mixus.evals.lifecycle import Area, Effect, Environment
from mixus.evals.tasks import Place

MOST_LISTED: Final = 1000
MOST_OWN_FILES: Final = 1000
MOST_OWN_BYTES: Final = 10 * 1024 * 1024
# Counted as JSON and with room for what is around it, so that the result is never cut to a text.
MOST_SHOWN: Final = MOST_RESULT_CHARACTERS - 10_000
# More than a file can have; a number of any length could not be kept.
MOST_LINES: Final = 2 * MOST_BYTES

Own = Mapping[str, bytes | None]


def _fits(text: str) -> str:
    if len(text.encode()) > MOST_BYTES:
        raise ValueError("a file has at most 1 MiB")
    return text


class Listing(Arguments):
    folder: FolderPath = ""


class Reading(Arguments):
    path: FilePath
    from_line: int = Field(default=1, ge=1, le=MOST_LINES)
    lines: int = Field(default=2000, ge=1, le=MOST_LINES)


class Writing(Arguments):
    path: FilePath
    content: Annotated[str, AfterValidator(_fits)]


class Deleting(Arguments):
    path: FilePath


def tools(root: Path | None) -> Registry:
    """On this folder; without one, on the execution's own copy alone."""
    files = Files(root)
    return registry(
        Tool("list_files", "List all files below a folder.", Effect.READ, Listing, files.list_files),
        Tool(
            "read_file",
            "Read a text file, or some of its lines; next_line is where a long one goes on.",
            Effect.READ,
            Reading,
            files.read_file,
        ),
        Tool(
            "write_file",
            "Write a text file whole, in place of the one that is there.",
            Effect.MODIFY,
            Writing,
            files.write_file,
            files.record_write,
        ),
        Tool(
            "delete_file", "Delete a file.", Effect.DELETE, Deleting, files.delete_file, files.record_delete
        ),
    )


@dataclass(frozen=True)
class Files:
    """What the tools do. Live, the folder is the truth, and a seed shows only where it has nothing."""

    root: Path | None

    async def list_files(self, arguments: Listing, context: Context) -> dict[str, Any]:
        own = await context.workspace.entries(Area.FILES)
        return await asyncio.to_thread(self._list, arguments.folder, own, context.environment)

    async def read_file(self, arguments: Reading, context: Context) -> dict[str, Any]:
        content = await self._find(arguments.path, context)
        if content is None:
            raise ToolFailed(_missing(arguments.path))
        return _excerpt(_text(arguments.path, content), arguments.from_line, arguments.lines)

    async def write_file(self, arguments: Writing, _context: Context) -> dict[str, Any]:
        if self.root is None:
            raise ToolFailed("MIXUS_FILES is not set; nothing was written.")
        content = arguments.content.encode()
        await asyncio.to_thread(folder.write, self.root, arguments.path, content)
        return _written(arguments.path, content)

    async def record_write(self, arguments: Writing, context: Context) -> Changed:
        path, content = arguments.path, arguments.content.encode()
        own = await context.workspace.entries(Area.FILES)
        await asyncio.to_thread(self._require_place, path, own)
        _require_room({**own, path: content})
        return Changed(_written(path, content), {Place(Area.FILES, path): content})

    async def delete_file(self, arguments: Deleting, context: Context) -> Changed:
        path = arguments.path
        if self.root is None:
            raise ToolFailed("MIXUS_FILES is not set; nothing was deleted.")
        await asyncio.to_thread(folder.delete, self.root, path)
        seed = await _find_own(path, context.workspace)
        # A seed of that name must not show in place of what was deleted.
        return Changed({"deleted": path}, {} if seed is None else {Place(Area.FILES, path): None})

    async def record_delete(self, arguments: Deleting, context: Context) -> Changed:
        path = arguments.path
        own = await context.workspace.entries(Area.FILES)
        found = await asyncio.to_thread(self._kind, path, own)
        if found is not Kind.FILE:
            raise ToolFailed(_missing(path) if found is None else f"{path} is {found.value}.")
        _require_room({**own, path: None})
        return Changed({"deleted": path}, {Place(Area.FILES, path): None})

    async def _find(self, path: str, context: Context) -> bytes | None:
        own = await _find_own(path, context.workspace)
        if own is not None and context.environment is Environment.SANDBOX:
            return own[0]
        original = await asyncio.to_thread(folder.read, self.root, path) if self.root else None
        return own[0] if original is None and own is not None else original

    def _list(self, start: str, own: Own, environment: Environment) -> dict[str, Any]:
        originals, is_cut = folder.walk(self.root, start) if self.root else ({}, False)
        copies = {path: content for path, content in own.items() if path.startswith(_below(start))}
        hidden = copies if environment is Environment.SANDBOX else {}
        sizes = {path: len(content) for path, content in copies.items() if content is not None}
        sizes |= {path: size for path, size in originals.items() if path not in hidden}
        if not sizes and start and self._kind(start, own) is not Kind.FOLDER:
            raise ToolFailed(f"There is no folder {start}.")
        listed = [{"path": path, "bytes": size} for path, size in sorted(sizes.items())]
        return {"files": listed[:MOST_LISTED], "truncated": is_cut or len(listed) > MOST_LISTED}

    def _require_place(self, path: str, own: Own) -> None:
        """Whether a file system would take a file there too."""
        for parent in above(path):
            found = self._kind(parent, own)
            if found not in {None, Kind.FOLDER}:
                raise ToolFailed(f"{path} was not written: {parent} is no folder.")
        found = self._kind(path, own)
        if found not in {None, Kind.FILE}:
            raise ToolFailed(f"{path} was not written: it is no file.")

    def _kind(self, path: str, own: Own) -> Kind | None:
        """What is there for a sandbox, in which a folder stays when what was in it is deleted."""
        if own.get(path) is not None:
            return Kind.FILE
        if any(each.startswith(_below(path)) for each in own):
            return Kind.FOLDER
        return None if path in own or self.root is None else folder.kind(self.root, path)


async def _find_own(path: str, workspace: Workspace) -> tuple[bytes | None] | None:
    return await workspace.find(Place(Area.FILES, path))


def _below(path: str) -> str:
    return f"{path}/" if path else ""


def _missing(path: str) -> str:
    return f"There is no file {path}; list_files shows what there is."


def _written(path: str, content: bytes) -> dict[str, Any]:
    return {"written": path, "bytes": len(content)}


def _require_room(own: Own) -> None:
    if len(own) > MOST_OWN_FILES:
        raise ToolFailed(f"An execution changes at most {MOST_OWN_FILES} files; nothing was done.")
    if sum(len(content) for content in own.values() if content is not None) > MOST_OWN_BYTES:
        raise ToolFailed("An execution's own files have at most 10 MiB together; nothing was done.")


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ToolFailed(f"{path} is no text in UTF-8, and nothing else can be read.") from error


def _excerpt(text: str, from_line: int, lines: int) -> dict[str, Any]:
    """Only a line feed ends a line, as everywhere on Linux."""
    every = list(StringIO(text, newline="\n"))
    end = min(len(every), from_line - 1 + lines)
    shown = ""
    room = MOST_SHOWN
    number = from_line - 1
    while number < end and (length := length_in_json(every[number])) <= room:
        shown += every[number]
        room -= length
        number += 1
    if number < end and not shown:
        shown = f"{_beginning(every[number])}\n[Cut: the rest of this long line.]\n"
        number += 1
    return {
        "text": shown,
        "total_lines": len(every),
        "next_line": number + 1 if number < len(every) else None,
    }


def _beginning(line: str) -> str:
    """As much of it as can be shown at once, or more than half of that."""
    shown = line[:MOST_SHOWN]
    while length_in_json(shown) > MOST_SHOWN:
        shown = shown[: len(shown) // 2]
    return shown
