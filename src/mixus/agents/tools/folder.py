"""The admin's folder, opened one name at a time so that no link leads out of it, not even in a race."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final

from mixus.agents.tools.paths import TEMPORARY, is_file_path
from mixus.agents.tools.registry import ToolFailed

MOST_BYTES: Final = 1024 * 1024
MOST_ENTRIES: Final = 10_000

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A pipe without a writer would hold a reader up for ever.
FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
NEW_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class Kind(Enum):
    FILE = "a file"
    FOLDER = "a folder"
    OTHER = "neither a file nor a folder, and links are not followed"


def kind(root: Path, path: str) -> Kind | None:
    """What is there; None where there is nothing, or where a folder above it is none."""
    *folders, name = path.split("/")
    with suppress(FileNotFoundError, NotADirectoryError), _readable(path), _opened(root, folders) as folder:
        return _kind_of(os.stat(name, dir_fd=folder, follow_symlinks=False))
    return None


def read(root: Path, path: str) -> bytes | None:
    """The content; None where there is nothing, or where a folder above it is none."""
    *folders, name = path.split("/")
    with suppress(FileNotFoundError, NotADirectoryError), _readable(path), _opened(root, folders) as folder:
        descriptor = os.open(name, FILE_FLAGS, dir_fd=folder)
        try:
            return _content(path, descriptor)
        finally:
            os.close(descriptor)
    return None


def walk(root: Path, start: str) -> tuple[dict[str, int], bool]:
    """Sizes of the files below, by path, and whether there is more than was looked at."""
    sizes: dict[str, int] = {}
    waiting = [start]
    seen = 0
    while waiting:
        for path, status in _entries(root, waiting.pop()):
            seen += 1
            if seen > MOST_ENTRIES:
                return sizes, True
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
            elif stat.S_ISREG(status.st_mode):
                sizes[path] = status.st_size
    return sizes, False


def write(root: Path, path: str, content: bytes) -> None:
    """Atomically; raises ToolFailed while the old content stands, and OSError where nobody knows."""
    *folders, name = path.split("/")
    with _changing(path, "written"):
        folder = _open(root, folders, makes=True)
    with _held(folder):
        with _changing(path, "written"):
            _replace(name, content, folder)
        os.fsync(folder)


def delete(root: Path, path: str) -> None:
    """Raises ToolFailed while it stands, and OSError where nobody knows."""
    *folders, name = path.split("/")
    with _changing(path, "deleted"):
        folder = _open(root, folders)
    with _held(folder):
        with _changing(path, "deleted"):
            _require_file(name, folder)
            os.unlink(name, dir_fd=folder)
        os.fsync(folder)


def _open(root: Path, folders: Sequence[str], *, makes: bool = False) -> int:
    """A descriptor of the innermost one; each is opened in the one before it."""
    # The folder itself is the admin's choice, and he may have chosen a link.
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for name in folders:
        with _held(descriptor):
            if makes:
                _make(name, descriptor)
            descriptor = os.open(name, FOLDER_FLAGS, dir_fd=descriptor)
    return descriptor


def _make(name: str, folder: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
        os.fsync(folder)


@contextmanager
def _held(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(root: Path, folders: Sequence[str]) -> Iterator[int]:
    with _held(_open(root, folders)) as descriptor:
        yield descriptor


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Says why a read failed, without the admin's path; that there is nothing is for the caller."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise ToolFailed(f"{path} cannot be read: {_reason(error)}.") from error


@contextmanager
def _changing(path: str, done: str) -> Iterator[None]:
    """Whatever fails in here fails before anything is changed."""
    try:
        yield
    except OSError as error:
        raise ToolFailed(f"{path} was not {done}: {_reason(error)}.") from error


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a link, and links are not followed"
    return os.strerror(error.errno or errno.EIO).lower()


def _content(path: str, descriptor: int) -> bytes:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ToolFailed(f"{path} is no file; list_files shows what can be read.")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ToolFailed(f"{path} is larger than 1 MiB, which is the most that can be read.")
    return content


def _kind_of(status: os.stat_result) -> Kind:
    if stat.S_ISREG(status.st_mode):
        return Kind.FILE
    return Kind.FOLDER if stat.S_ISDIR(status.st_mode) else Kind.OTHER


def _entries(root: Path, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """What an agent can name of a folder; nothing of one that cannot be opened."""
    names = folder.split("/") if folder else []
    with suppress(OSError), _opened(root, names) as descriptor, os.scandir(descriptor) as found:
        for entry in found:
            path = "/".join((*names, entry.name))
            # One that has just vanished is no reason to hide the others.
            with suppress(FileNotFoundError):
                if is_file_path(path):
                    yield path, entry.stat(follow_symlinks=False)


def _replace(name: str, content: bytes, folder: int) -> None:
    try:
        mode = stat.S_IMODE(_require_file(name, folder).st_mode) & 0o777
    except FileNotFoundError:
        mode = 0o666
    temporary = f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        _store(temporary, content, mode, folder)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _require_file(name: str, folder: int) -> os.stat_result:
    """Raises ToolFailed where it is something else, and FileNotFoundError where there is nothing."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    found = _kind_of(status)
    if found is not Kind.FILE:
        raise ToolFailed(f"{name} is {found.value}; nothing was changed.")
    return status


def _store(name: str, content: bytes, mode: int, folder: int) -> None:
    descriptor = os.open(name, NEW_FLAGS, mode, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
