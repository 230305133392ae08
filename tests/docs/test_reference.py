"""The reference names everything that there is, nothing that there is not, and its links lead somewhere."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixus.accounts.principal import Scope
from mixus.cli.main import COMMANDS, load
from mixus.evals.lifecycle import Failure
from mixus.keys.lifecycle import State

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mixus"
REFERENCE = ROOT / "docs" / "reference"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(#[^)\s]+)?\)")
# A code that is put together, and what it can be.
COMPOSED = {"f'key-{state}'": [f"key-{state}" for state in (State.REVOKED, State.EXPIRED, State.DISABLED)]}
TEST_NAME = re.compile(r"`(test_\w+)`(?: in `([\w/.]+)`)?")


def named_codes(tree: ast.AST) -> Iterator[ast.expr | None]:
    """`code = "…"` of an error, `code="…"` where one is raised, and the first argument of a Defect."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if [target.id for target in targets if isinstance(target, ast.Name)] == ["code"]:
                yield node.value
        elif isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == "code")
            if isinstance(node.func, ast.Name) and node.func.id == "Defect":
                yield node.args[0]


def strings(expression: ast.expr | None) -> Iterator[str]:
    if isinstance(expression, ast.IfExp):
        yield from (*strings(expression.body), *strings(expression.orelse))
    elif isinstance(expression, ast.JoinedStr):
        yield from COMPOSED[ast.unparse(expression)]
    elif isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        yield from filter(None, [expression.value])


def test_every_error_code_is_in_the_reference_and_no_other() -> None:
    trees = [ast.parse(file.read_text()) for file in SOURCE.rglob("*.py")]
    codes = {code for tree in trees for found in named_codes(tree) for code in strings(found)}
    codes |= {failure.value for failure in Failure}
    assert "already-decided" in codes
    page = (REFERENCE / "errors.md").read_text()
    documented = set(re.findall(r"^\|(?: \d{3} \|)? `([a-z-]+)` \|", page, re.MULTILINE))
    assert sorted(codes ^ documented) == []


def test_every_kind_of_entry_is_on_the_page_of_the_trace() -> None:
    trees = [ast.parse(file.read_text()) for file in SOURCE.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    entries = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Entry"]
    kinds = {kind for call in entries if call.args for kind in strings(call.args[0])}
    assert {"tool-call", "parked"} <= kinds
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / "docs/how-to/read-the-trace.md").read_text(), re.MULTILINE)
    assert sorted(kinds - set(re.findall(r"`([a-z-]+)`", " ".join(rows)))) == []


def test_every_scope_is_in_the_reference() -> None:
    page = (REFERENCE / "commands.md").read_text()
    assert [scope for scope in Scope if f"| `{scope}` |" not in page] == []


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from leaves(child, f"{path} {name}")
    else:
        yield path, command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_reference(name: str) -> None:
    page = (REFERENCE / ("commands-eval.md" if name == "eval" else "commands.md")).read_text()
    for path, command in leaves(load(name), name):
        title = path.removeprefix("eval ") if name == "eval" else f"mixus {path}"
        sections = [text for text in page.split("\n## ") if f"`{title}" in text.partition("\n")[0]]
        assert sections, title
        options = [each for each in command.params if each.param_type_name == "option"]
        for option in (flag for each in options for flag in (*each.opts, *each.secondary_opts)):
            assert f"`{option}" in sections[0], f"{path} {option}"


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor[1:] in anchors(target), path + anchor


def test_every_test_that_a_page_names_is_there() -> None:
    for page in PAGES:
        # Only this page may leave the file out; elsewhere such a word may be another name.
        usual = "tests/worker/test_promises.py" if page.name == "verification.md" else ""
        for name, file in TEST_NAME.findall(page.read_text()):
            if file or usual:
                assert f"def {name}(" in (ROOT / (file or usual)).read_text(), name


def test_the_tree_of_the_architecture_is_that_of_the_source() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    tree = page.partition("src/mixus/\n")[2].partition("```")[0]
    shown: set[str] = set()
    path: list[str] = []
    for indent, name in re.findall(r"^( +)(\w+)/ ", tree, re.MULTILINE):
        path = [*path[: len(indent) // 2 - 1], name]
        shown.add("/".join(path))
    files = [file for kind in ("*.py", "*.html", "*.css") for file in SOURCE.rglob(kind)]
    folders = {file.parent.relative_to(SOURCE).as_posix() for file in files} - {"."}
    assert sorted(shown ^ folders) == []


def test_the_pages_show_no_key_and_no_path_of_a_machine() -> None:
    for page in PAGES:
        text = page.read_text()
        assert re.search(r"mxs_eval_[0-9A-Za-z]{32}|/(?:home/\w|root/|tmp/|work/)", text) is None, page
