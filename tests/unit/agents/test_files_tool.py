"""Files: nothing leads out of the folder, and in the sandbox nothing in it changes."""

import os
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.agents.own_copy import OwnCopy, call

from mixus.agents.tools import files, folder
from mixus.agents.tools.paths import TEMPORARY, file_path, is_file_path
from mixus.agents.tools.registry import MOST_RESULT_CHARACTERS, ToolFailed
from mixus.core.text import length_in_json
from mixus.evals.lifecycle import Area, Effect, Environment
from mixus.evals.tasks import Place

LIVE = Environment.LIVE
SECRET = "the admin's secret"
Call = Callable[..., Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The admin's folder, beside something that no agent may reach."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(SECRET)
    root = tmp_path / "files"
    (root / "reports").mkdir(parents=True)
    (root / "bonus.csv").write_text("name,bonus\nAna,100\n")
    (root / "reports" / "may.txt").write_text("May")
    return root


@pytest.fixture
def own() -> OwnCopy:
    return OwnCopy()


@pytest.fixture
def do(root: Path, own: OwnCopy) -> Call:
    """A call in the sandbox."""
    offered = files.tools(root)
    return lambda name, **arguments: call(offered[name], own, **arguments)


@pytest.fixture
def live(root: Path, own: OwnCopy) -> Call:
    offered = files.tools(root)
    return lambda name, **arguments: call(offered[name], own, LIVE, **arguments)


@pytest.fixture(params=["do", "live"])
def either(request: pytest.FixtureRequest) -> Call:
    found: Call = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def tree(root: Path) -> Iterator[None]:
    """Everything is afterwards as it was before."""
    before = contents_of(root.parent)
    yield
    assert contents_of(root.parent) == before


def contents_of(folder: Path) -> dict[str, Any]:
    return {str(path): path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def paths(listing: dict[str, Any]) -> list[str]:
    return [file["path"] for file in listing["files"]]


def test_each_tool_declares_its_effect() -> None:
    assert {name: tool.effect for name, tool in files.tools(None).items()} == {
        "list_files": Effect.READ,
        "read_file": Effect.READ,
        "write_file": Effect.MODIFY,
        "delete_file": Effect.DELETE,
    }


# Reading.


def test_a_file_is_read_whole(either: Call) -> None:
    assert either("read_file", path="bonus.csv") == {
        "text": "name,bonus\nAna,100\n",
        "total_lines": 2,
        "next_line": None,
    }


def test_a_part_of_a_file_is_read_and_says_where_it_goes_on(either: Call) -> None:
    answer = either("read_file", path="bonus.csv", lines=1)
    assert answer == {"text": "name,bonus\n", "total_lines": 2, "next_line": 2}
    rest = either("read_file", path="bonus.csv", from_line=answer["next_line"])
    assert rest == {"text": "Ana,100\n", "total_lines": 2, "next_line": None}


@pytest.mark.parametrize("name", ["from_line", "lines"])
def test_a_number_of_lines_that_could_not_be_kept_is_refused(do: Call, name: str) -> None:
    with pytest.raises(ValidationError, match="less than or equal"):
        do("read_file", path="a.txt", **{name: 2**70})


def test_beyond_the_last_line_there_is_nothing(do: Call) -> None:
    assert do("read_file", path="bonus.csv", from_line=9)["text"] == ""


def test_a_long_file_is_read_in_pieces_that_together_are_all_of_it(root: Path, do: Call) -> None:
    text = "".join(f"line {number} of many\u2028still it\r\n" for number in range(9000))
    (root / "long.txt").write_bytes(text.encode())
    answer = do("read_file", path="long.txt")
    pieces = [answer["text"]]
    while answer["next_line"]:
        answer = do("read_file", path="long.txt", from_line=answer["next_line"])
        pieces.append(answer["text"])
    assert len(pieces) > 2
    assert max(len(piece) for piece in pieces) <= files.MOST_SHOWN
    assert "".join(pieces) == text


def test_a_line_longer_than_an_answer_is_cut_and_says_so(root: Path, do: Call) -> None:
    (root / "wide.txt").write_text("x" * 100_000 + "\nend")
    first = do("read_file", path="wide.txt")
    assert "[Cut" in first["text"]
    assert do("read_file", path="wide.txt", from_line=first["next_line"])["text"] == "end"


@pytest.mark.parametrize("line", ['"' * 99_999, '"\n' * 50_000, "\u0001" * 50_000, "\u0001\n" * 20_000])
def test_what_is_longer_in_json_is_cut_so_that_an_answer_stays_json(root: Path, do: Call, line: str) -> None:
    (root / "marks.txt").write_text(f"{line}\nend")
    answer = do("read_file", path="marks.txt", lines=100_000)
    assert 10_000 < length_in_json(answer) < MOST_RESULT_CHARACTERS
    while answer["next_line"]:
        answer = do("read_file", path="marks.txt", from_line=answer["next_line"], lines=100_000)
        assert length_in_json(answer) < MOST_RESULT_CHARACTERS
    assert answer["text"].endswith("end")


def test_what_is_no_utf_8_is_refused_in_words(root: Path, do: Call) -> None:
    (root / "picture.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ToolFailed, match="no text in UTF-8"):
        do("read_file", path="picture.png")


def test_a_file_above_the_limit_is_refused(root: Path, do: Call) -> None:
    (root / "big.txt").write_bytes(b"x" * (folder.MOST_BYTES + 1))
    with pytest.raises(ToolFailed, match="larger than 1 MiB"):
        do("read_file", path="big.txt")
    (root / "big.txt").write_bytes(b"x\n" * (folder.MOST_BYTES // 2))
    assert do("read_file", path="big.txt")["total_lines"] == folder.MOST_BYTES // 2


@pytest.mark.parametrize("path", ["none.txt", "reports/none.txt", "none/may.txt", "bonus.csv/x"])
def test_what_is_not_there_is_said_to_be_not_there(either: Call, path: str) -> None:
    with pytest.raises(ToolFailed, match="There is no file"):
        either("read_file", path=path)


# The sandbox: the own copy lies over the folder.


def test_what_was_written_is_read_back_and_the_original_stays(do: Call, tree: None) -> None:
    assert do("write_file", path="bonus.csv", content="new") == {"written": "bonus.csv", "bytes": 3}
    do("write_file", path="made/here/a.txt", content="äöü\n")
    assert do("read_file", path="bonus.csv")["text"] == "new"
    assert do("read_file", path="made/here/a.txt")["text"] == "äöü\n"
    assert do("list_files")["files"] == [
        {"path": "bonus.csv", "bytes": 3},
        {"path": "made/here/a.txt", "bytes": 7},
        {"path": "reports/may.txt", "bytes": 3},
    ]


def test_a_deletion_hides_and_the_original_stays(do: Call, tree: None) -> None:
    assert do("delete_file", path="reports/may.txt") == {"deleted": "reports/may.txt"}
    with pytest.raises(ToolFailed, match="There is no file"):
        do("read_file", path="reports/may.txt")
    with pytest.raises(ToolFailed, match="There is no file"):
        do("delete_file", path="reports/may.txt")
    assert do("list_files", folder="reports")["files"] == []
    do("write_file", path="reports/may.txt", content="again")
    assert paths(do("list_files", folder="reports")) == ["reports/may.txt"]


def test_without_a_folder_there_is_the_own_copy_alone(own: OwnCopy) -> None:
    offered = files.tools(None)
    call(offered["write_file"], own, path="a.txt", content="a")
    assert paths(call(offered["list_files"], own)) == ["a.txt"]
    assert call(offered["read_file"], own, path="a.txt")["text"] == "a"
    with pytest.raises(ToolFailed, match="There is no file"):
        call(offered["read_file"], own, path="b.txt")


def test_a_folder_that_is_not_there_is_said_to_be_not_there(either: Call) -> None:
    for name in ("none", "bonus.csv"):
        with pytest.raises(ToolFailed, match="There is no folder"):
            either("list_files", folder=name)


@pytest.mark.parametrize("name", ["", ".", "reports", "reports/"])
def test_a_folder_is_named_as_people_name_it(either: Call, name: str) -> None:
    assert "reports/may.txt" in paths(either("list_files", folder=name))


def test_a_file_cannot_take_the_place_of_a_folder_nor_stand_below_a_file(either: Call) -> None:
    for path in ("reports", "bonus.csv/x", "bonus.csv/x/y"):
        with pytest.raises(ToolFailed):
            either("write_file", path=path, content="x")
    with pytest.raises(ToolFailed):
        either("delete_file", path="reports")


def test_the_own_copy_keeps_files_and_folders_apart_too(do: Call) -> None:
    do("write_file", path="own/a", content="x")
    for path in ("own", "own/a/b"):
        with pytest.raises(ToolFailed, match="was not written"):
            do("write_file", path=path, content="x")
    do("delete_file", path="bonus.csv")
    do("write_file", path="bonus.csv/now-a-folder", content="x")
    assert paths(do("list_files")) == ["bonus.csv/now-a-folder", "own/a", "reports/may.txt"]


def test_an_own_copy_is_limited_in_files(do: Call, own: OwnCopy) -> None:
    own.contents.update({Place(Area.FILES, f"{number}.txt"): b"" for number in range(1000)})
    do("write_file", path="1.txt", content="a change needs no room")
    for name, arguments in (("write_file", {"content": "x"}), ("delete_file", {})):
        with pytest.raises(ToolFailed, match="at most 1000 files"):
            do(name, path="bonus.csv", **arguments)


def test_an_own_copy_is_limited_in_bytes(do: Call) -> None:
    mebibyte = "x" * folder.MOST_BYTES
    for number in range(10):
        do("write_file", path=f"{number}", content=mebibyte)
    with pytest.raises(ToolFailed, match="10 MiB"):
        do("write_file", path="more", content="x")
    do("delete_file", path="3")
    do("write_file", path="more", content="x")


def test_a_file_above_the_limit_cannot_be_written() -> None:
    with pytest.raises(ValidationError, match="1 MiB"):
        files.Writing(path="a", content="ä" * (folder.MOST_BYTES // 2 + 1))


# Live: the folder is the truth.


def test_live_a_file_is_written_for_real(live: Call, root: Path, own: OwnCopy) -> None:
    live("write_file", path="bonus.csv", content="new")
    live("write_file", path="made/here/a.txt", content="ä")
    assert (root / "bonus.csv").read_text() == "new"
    assert (root / "made/here/a.txt").read_text() == "ä"
    assert live("read_file", path="made/here/a.txt")["text"] == "ä"
    assert own.contents == {}


def test_live_a_file_is_replaced_whole_and_keeps_its_permissions(live: Call, root: Path) -> None:
    (root / "bonus.csv").chmod(0o640)
    with (root / "bonus.csv").open() as reader:
        live("write_file", path="bonus.csv", content="new")
        assert reader.read() == "name,bonus\nAna,100\n"
    assert (root / "bonus.csv").stat().st_mode & 0o777 == 0o640
    assert names(root) == ["bonus.csv", "reports"]


def test_live_a_file_is_deleted_for_real(live: Call, root: Path) -> None:
    live("delete_file", path="bonus.csv")
    assert not (root / "bonus.csv").exists()
    with pytest.raises(ToolFailed, match="was not deleted"):
        live("delete_file", path="bonus.csv")


def test_live_without_a_folder_nothing_is_done(own: OwnCopy) -> None:
    offered = files.tools(None)
    with pytest.raises(ToolFailed, match="MIXUS_FILES is not set; nothing was written"):
        call(offered["write_file"], own, LIVE, path="a", content="x")
    with pytest.raises(ToolFailed, match="MIXUS_FILES is not set; nothing was deleted"):
        call(offered["delete_file"], own, LIVE, path="a")


def test_live_a_seed_shows_only_where_the_folder_has_nothing(live: Call, own: OwnCopy) -> None:
    own.contents.update({Place(Area.FILES, path): b"seed" for path in ("bonus.csv", "seed.txt")})
    assert live("read_file", path="bonus.csv")["text"].startswith("name")
    assert live("read_file", path="seed.txt")["text"] == "seed"
    assert live("list_files")["files"] == [
        {"path": "bonus.csv", "bytes": 19},
        {"path": "reports/may.txt", "bytes": 3},
        {"path": "seed.txt", "bytes": 4},
    ]


def test_live_a_deleted_file_is_not_replaced_by_a_seed_of_its_name(live: Call, own: OwnCopy) -> None:
    own.contents[Place(Area.FILES, "bonus.csv")] = b"seed"
    live("delete_file", path="bonus.csv")
    with pytest.raises(ToolFailed, match="There is no file"):
        live("read_file", path="bonus.csv")


def test_live_a_write_that_fails_leaves_the_old_content_and_no_rest(
    live: Call, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device", str(root))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ToolFailed, match=r"^bonus.csv was not written: no space left on device\.$"):
            live("write_file", path="bonus.csv", content="new")
    assert names(root) == ["bonus.csv", "reports"]
    assert (root / "bonus.csv").read_text().startswith("name")


def test_live_a_write_that_may_not_last_is_not_said_to_have_failed(
    live: Call, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in place, and only the disk's word is missing: uncertain, not failed."""
    honest = os.fsync
    asked: list[int] = []

    def second_fails(descriptor: int) -> None:
        asked.append(descriptor)
        if len(asked) == 2:
            raise OSError(5, "Input/output error")
        honest(descriptor)

    monkeypatch.setattr("os.fsync", second_fails)
    with pytest.raises(OSError, match="Input/output"):
        live("write_file", path="bonus.csv", content="new")
    assert (root / "bonus.csv").read_text() == "new"


# Nothing leads out.

BAD_PATHS = [
    "",
    ".",
    "..",
    "../outside/secret.txt",
    "reports/../../outside/secret.txt",
    "reports/..",
    "./bonus.csv",
    "/etc/passwd",
    "//etc/passwd",
    "reports//may.txt",
    "reports/",
    "..\\outside\\secret.txt",
    "C:\\secret.txt",
    "bonus.csv\x00.png",
    "a\nb",
    "a\u202etxt.exe",
    "a\u200b",
    "\ud800",
    f"{TEMPORARY}1",
    f"reports/{TEMPORARY}1",
    "x" * 401,
    "x" * 256,
    "ä" * 128,
    "/".join("x" * 201),
]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("arguments", [files.Reading, files.Deleting])
def test_a_path_that_is_not_plain_and_relative_is_refused(path: str, arguments: Any) -> None:
    with pytest.raises(ValidationError):
        arguments(path=path)


@pytest.mark.parametrize("path", ["a", "ä" * 127, "x" * 255, ".env", "...", "a b/c-d_(1).txt", "~", "%2e%2e"])
def test_an_ordinary_path_is_taken(path: str) -> None:
    assert file_path(path) == path


def test_one_name_has_one_spelling(do: Call, live: Call, root: Path) -> None:
    """What a reviewer approved, what is stored and what is read back are the same file."""
    composed, decomposed = "caf\u00e9.txt", "cafe\u0301.txt"
    do("write_file", path=decomposed, content="x")
    assert do("read_file", path=composed)["text"] == "x"
    assert files.Reading(path=decomposed).path == composed
    live("write_file", path=decomposed, content="x")
    assert (root / composed).exists()


@given(st.text(max_size=450) | st.from_regex(r"[a./\\\x00~]{1,20}"))
def test_whatever_path_is_taken_stays_below_its_folder(text: str) -> None:
    try:
        path = file_path(text)
    except ValueError:
        return
    assert path == unicodedata.normalize("NFC", text)
    assert is_file_path(path)
    assert len(path) <= 400
    assert path.isprintable()
    place = os.path.normpath(f"/folder/of/all/{path}")
    assert place == f"/folder/of/all/{path}"


def entrap(root: Path) -> dict[str, str]:
    """Ways out of the folder, by what they are."""
    outside = root.parent / "outside"
    (root / "link.txt").symlink_to(outside / "secret.txt")
    (root / "relative.txt").symlink_to("../outside/secret.txt")
    (root / "passwd").symlink_to("/etc/passwd")
    (root / "inner.txt").symlink_to("bonus.csv")
    (root / "nowhere.txt").symlink_to("none")
    (root / "loop").symlink_to("loop")
    (root / "way").symlink_to(outside)
    (root / "reports" / "up").symlink_to("../..")
    os.mkfifo(root / "pipe")
    return {
        "a link": "link.txt",
        "a relative link": "relative.txt",
        "a link to a file of the system": "passwd",
        "a link inside": "inner.txt",
        "a link to nothing": "nowhere.txt",
        "a link to itself": "loop",
        "a linked folder": "way/secret.txt",
        "a linked folder itself": "way",
        "a link upwards": "reports/up/outside/secret.txt",
        "a pipe": "pipe",
    }


def test_no_way_out_is_read_written_deleted_or_listed(either: Call, root: Path) -> None:
    ways = entrap(root)
    before = names(root)
    for path in ways.values():
        with pytest.raises(ToolFailed) as failed:
            either("read_file", path=path)
        assert SECRET not in str(failed.value)
        with pytest.raises(ToolFailed):
            either("write_file", path=path, content="taken over")
        with pytest.raises(ToolFailed):
            either("delete_file", path=path)
    assert (root.parent / "outside" / "secret.txt").read_text() == SECRET
    assert names(root) == before
    assert paths(either("list_files")) == ["bonus.csv", "reports/may.txt"]


def test_no_linked_folder_is_listed_or_written_into(either: Call, root: Path) -> None:
    entrap(root)
    for name in ("way", "reports/up", "reports/up/outside"):
        with pytest.raises(ToolFailed):
            either("list_files", folder=name)
    with pytest.raises(ToolFailed):
        either("write_file", path="way/new.txt", content="x")
    assert names(root.parent / "outside") == ["secret.txt"]


def test_live_a_hard_link_from_outside_is_not_written_through(live: Call, root: Path) -> None:
    os.link(root.parent / "outside" / "secret.txt", root / "hard.txt")
    live("write_file", path="hard.txt", content="new")
    live("delete_file", path="hard.txt")
    assert (root.parent / "outside" / "secret.txt").read_text() == SECRET


def test_names_that_no_agent_can_name_are_not_listed(do: Call, root: Path) -> None:
    for name in (b"bad\xff.txt", b"a\nb", b"back\\slash", "cafe\u0301".encode(), f"{TEMPORARY}1".encode()):
        (root / os.fsdecode(name)).write_text("x")
    assert paths(do("list_files")) == ["bonus.csv", "reports/may.txt"]


def test_a_long_listing_is_cut_and_says_so(do: Call, root: Path) -> None:
    for number in range(1001):
        (root / "reports" / f"{number:04}.txt").touch()
    listing = do("list_files", folder="reports")
    assert (len(listing["files"]), listing["truncated"]) == (1000, True)


def test_a_huge_folder_is_not_read_to_its_end(do: Call, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MOST_ENTRIES", 3)
    for number in range(20):
        (root / f"{number}.txt").touch()
    listing = do("list_files")
    assert (len(listing["files"]) <= 3, listing["truncated"]) == (True, True)


def test_a_folder_that_becomes_a_link_in_a_race_leads_nowhere(root: Path, own: OwnCopy) -> None:
    """While one swaps a folder for a link to the outside, another reads and writes in it all the time."""
    offered = files.tools(root)
    outside = root.parent / "outside"
    swap, aside = root / "swap", root / "aside"
    swap.mkdir()
    (swap / "secret.txt").write_text("harmless")
    is_over = threading.Event()

    def keep_swapping() -> None:
        while not is_over.is_set():
            # A write may make the folder anew while it is away.
            with suppress(OSError):
                swap.rename(aside)
            with suppress(OSError):
                swap.symlink_to(outside)
            with suppress(OSError):
                swap.unlink()
            with suppress(OSError):
                aside.rename(swap)

    swapping = threading.Thread(target=keep_swapping)
    swapping.start()
    outcomes = set()
    try:
        for number in range(300):
            try:
                text = call(offered["read_file"], own, LIVE, path="swap/secret.txt")["text"]
                outcomes.add(text)
                call(offered["write_file"], own, LIVE, path="swap/new.txt", content=str(number))
                call(offered["delete_file"], own, LIVE, path="swap/new.txt")
            except ToolFailed:
                outcomes.add("refused")
    finally:
        is_over.set()
        swapping.join()
    assert SECRET not in outcomes
    assert names(outside) == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == SECRET
