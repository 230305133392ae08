"""Which paths an agent may name: relative ones that mean the same to a person, a row and a file system."""

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator

MOST_CHARACTERS: Final = 400
# What Linux takes as one name.
MOST_BYTES: Final = 255
# How a file is called while it is written; no agent can name it.
TEMPORARY: Final = ".mixus-"


def file_path(text: str) -> str:
    """The path in NFC; raises ValueError with what is wrong."""
    path = unicodedata.normalize("NFC", text)
    if len(path) > MOST_CHARACTERS:
        raise ValueError(f"a path has at most {MOST_CHARACTERS} characters")
    # What cannot be printed could also show a reviewer another path than the one that is meant.
    if "\\" in path or not path.isprintable():
        raise ValueError("a path has neither backslashes nor characters that cannot be seen")
    for name in path.split("/"):
        _require_name(name)
    return path


def folder_path(text: str) -> str:
    """As `file_path`; the folder of all is empty or a dot."""
    return "" if text in {"", "."} else file_path(text.removesuffix("/"))


def is_file_path(text: str) -> bool:
    """Whether it can be named exactly so."""
    try:
        return file_path(text) == text
    except ValueError:
        return False


def above(path: str) -> list[str]:
    """The folders that it stands in, outermost first: a/b/c has a and a/b."""
    names = path.split("/")[:-1]
    return ["/".join(names[: count + 1]) for count in range(len(names))]


FilePath = Annotated[str, AfterValidator(file_path)]
FolderPath = Annotated[str, AfterValidator(folder_path)]


def _require_name(name: str) -> None:
    if name in {"", ".", ".."}:
        raise ValueError("a path is relative, such as reports/may.csv, without empty names, . and ..")
    if name.startswith(TEMPORARY):
        raise ValueError(f"no name begins with {TEMPORARY}")
    if len(name.encode()) > MOST_BYTES:
        raise ValueError(f"a name in a path has at most {MOST_BYTES} bytes")
