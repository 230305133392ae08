"""The files of the documentation: found once, so that only what was found can be asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from mixus.core.errors import NotFound
from mixus.server.web import manual_text

INDEX: Final = "index"
TYPES: Final = {
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
    ".toml": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
}
_HERE: Final = Path(__file__).parent
# In an installed package, and beside the source.
PLACES: Final = (_HERE / "docs", _HERE.parents[3] / "docs")


@dataclass(frozen=True)
class Page:
    """`name` is its address below /docs/: `how-to/go-live`."""

    name: str
    title: str
    source: str
    # Made for a folder that has no page of its own.
    is_listing: bool = False


@dataclass(frozen=True)
class Manual:
    """`pages` by name; `files` by their path below the folder, pages among them."""

    pages: Mapping[str, Page]
    files: Mapping[str, Path]

    def page(self, name: str) -> Page:
        if name not in self.pages:
            raise NotFound("There is no such page in the documentation; look at /docs.")
        return self.pages[name]

    def file(self, path: str) -> Path:
        if path not in self.files:
            raise NotFound("There is no such file in the documentation; look at /docs.")
        return self.files[path]

    def address(self, path: str) -> str | None:
        """Where a path of the folder is served; None for what is not in it."""
        name = path.removesuffix(".md").rstrip("/")
        if name in {"", ".", INDEX}:
            return "/docs"
        is_served = name in self.pages or path in self.files
        return f"/docs/{name}" if is_served else None


@lru_cache(maxsize=1)
def manual() -> Manual:
    return read_manual(next((place for place in PLACES if (place / "index.md").is_file()), None))


def read_manual(folder: Path | None) -> Manual:
    """Empty where there is no documentation."""
    if folder is None:
        return Manual({}, {})
    files = {path.relative_to(folder).as_posix(): path for path in sorted(_files(folder))}
    pages = {page.name: page for page in _pages(files)}
    return Manual({page.name: page for page in _contents(files, pages)} | pages, files)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix in TYPES and path.is_file() and not path.is_symlink():
            yield path


def _pages(files: Mapping[str, Path]) -> Iterator[Page]:
    for path, file in files.items():
        if path.endswith(".md"):
            source = file.read_text("utf-8")
            yield Page(path.removesuffix(".md"), manual_text.title_of(source), source)


def _contents(files: Mapping[str, Path], pages: Mapping[str, Page]) -> Iterator[Page]:
    """A page for each folder, which lists what is in it."""
    for folder in sorted({name.rpartition("/")[0] for name in pages} - {""}):
        title = folder.replace("-", " ").capitalize()
        inside = [path for path in files if path.startswith(f"{folder}/")]
        listed = [f"- [{_named(path, pages)}](/docs/{path.removesuffix('.md')})" for path in inside]
        yield Page(folder, title, "\n".join((f"# {title}", "", *listed, "")), is_listing=True)


def _named(path: str, pages: Mapping[str, Page]) -> str:
    page = pages.get(path.removesuffix(".md"))
    return path.rpartition("/")[2] if page is None else page.title
