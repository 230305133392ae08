"""The documentation as pages, as Markdown, and as a list for language models."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import pytest
from starlette.testclient import TestClient
from web.windows import House, Window

from mixus.server.web import manual_index, manual_text
from mixus.server.web.manual_files import Manual, manual, read_manual

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAMES = sorted(path.relative_to(DOCS).as_posix().removesuffix(".md") for path in DOCS.rglob("*.md"))


@pytest.fixture
def stranger(house: House) -> Window:
    return house.window()


@pytest.fixture
def book(tmp_path: Path) -> Manual:
    """A documentation with one of everything."""
    (tmp_path / "images").mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "images" / "page.png").write_bytes(b"a picture")
    (tmp_path / "secret.txt").write_text("a secret")
    (tmp_path / "deep" / "alias.md").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "deep" / "other.md").write_text("# Other `page`\n\n## Same\n\n## Same\n")
    (tmp_path / "index.md").write_text(
        "# Index\n\n## All\n\n| | |\n|---|---|\n| [One](deep/other.md) | a note |\n"
    )
    return read_manual(tmp_path)


def text_of(book: Manual, source: str) -> str:
    return str(manual_text.rendered(source, "deep", book.address).body)


def test_anybody_reads_every_page(stranger: Window) -> None:
    for name in (name for name in NAMES if name != "index"):
        page = stranger.get(f"/docs/{name}")
        assert page.status_code == 200, name
        assert page.text.count("<h1>") == 1, name
        assert "&lt;!--" not in page.text, name
    assert ">Sign in</a>" in page.text
    assert "/admin" not in page.text.partition("<main")[0]


def test_whoever_is_signed_in_keeps_his_navigation(house: House) -> None:
    page = house.signed_in().get("/docs/tutorial").text
    assert ">Evaluations</a>" in page
    assert "ada@example.org" in page
    assert 'name="csrf"' in page


def test_a_session_that_is_over_reads_as_anybody(house: House) -> None:
    window = house.signed_in()
    window.cookie = f"{window.cookie}x"
    assert window.get("/docs").status_code == 200


def test_the_index_leads_to_every_page(stranger: Window) -> None:
    text = stranger.get("/docs").text
    listed = set(re.findall(r'href="/docs/([^"#]+)"', text))
    assert sorted(set(NAMES) - {"index"} - listed) == ["scanners/github-custom-pattern"]
    assert [section.title for section in manual_index.sections()] == [
        *("Tutorial", "How-to guides", "Reference", "Explanation", "Decisions"),
    ]


def links_of(text: str) -> Iterator[str]:
    yield from (unescape(address) for address in re.findall(r'(?:href|src)="([^"]*)"', text))


def test_every_link_leads_to_a_page_and_a_heading_that_are_there(stranger: Window) -> None:
    ids: dict[str, set[str]] = {}
    for name in manual().pages:
        ids[f"/docs/{name}"] = set(re.findall(r'id="([^"]+)"', stranger.get(f"/docs/{name}").text))
    ids["/docs"] = set(re.findall(r'id="([^"]+)"', stranger.get("/docs").text))
    for name in manual().pages:
        for link in links_of(stranger.get(f"/docs/{name}").text.partition("<main")[2]):
            path, _, anchor = link.partition("#")
            if link.startswith(("/docs", "#")) and "." not in path:
                found = ids[path or f"/docs/{name}"]
                assert not anchor or anchor in found, f"{name}: {link}"
            elif link.startswith("/docs"):
                assert stranger.get(path).status_code == 200, f"{name}: {link}"
            else:
                assert re.match(r"https?://", link), f"{name}: {link}"


def test_a_page_comes_as_markdown_too(stranger: Window) -> None:
    for name in NAMES:
        answer = stranger.get(f"/docs/{name}.md")
        assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
        assert answer.content == (DOCS / f"{name}.md").read_bytes()


def test_a_pattern_for_scanners_comes_as_text(stranger: Window) -> None:
    answer = stranger.get("/docs/scanners/gitleaks.toml")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert stranger.get("/docs/scanners").text.count("gitleaks.toml") == 2


@pytest.mark.parametrize(
    "path",
    [
        "nowhere",
        "nowhere.md",
        "",
        "../README.md",
        "..%2fREADME.md",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/pyproject.toml",
        "how-to/../../pyproject.toml",
        "/etc/passwd",
        "images/nowhere.png",
        "tutorial.md%00.png",
        "tutorial.html",
    ],
)
def test_what_is_not_in_the_documentation_is_not_found(stranger: Window, path: str) -> None:
    answer = stranger.get(f"/docs/{path}")
    assert answer.status_code == 404
    assert "root:" not in answer.text
    assert "hatchling" not in answer.text


def test_a_file_that_is_elsewhere_is_not_taken_in(book: Manual) -> None:
    assert sorted(book.files) == ["deep/other.md", "images/page.png", "index.md"]


def test_llms_txt_lists_every_page_with_its_whole_address(stranger: Window) -> None:
    answer = stranger.get("/llms.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[0] == "# mixus"
    assert lines[2].startswith("> ")
    assert "## Reference" in lines
    entries = [line for line in lines if line.startswith("- ")]
    assert len(entries) == len(NAMES) - 2
    for entry in entries:
        found = re.fullmatch(r"- \[[^\]]+\]\(http://testserver(/docs/\S+\.md)\)(: .+)?", entry)
        assert found is not None, entry
        assert stranger.get(found[1]).status_code == 200


def test_the_search_finds_titles_and_headings(stranger: Window) -> None:
    text = stranger.get("/docs?q=ROTATE+key").text
    assert 'href="/docs/how-to/rotate-a-key-without-downtime"' in text.partition("manual-sections")[0]
    nothing = stranger.get("/docs?q=<script>alert(1)</script>").text
    assert "0 places for “&lt;script&gt;" in nothing
    assert 'value="&lt;script&gt;' in nothing
    assert stranger.get(f"/docs?q={'x' * 201}").status_code == 422


def test_html_in_a_page_is_text_and_a_comment_is_nothing(book: Manual) -> None:
    text = text_of(
        book,
        "<!-- run -->\n\n<script>x</script>\n\na <b onclick=x>b</b> <!-- y --> c\n\n[x](javascript:alert)\n",
    )
    assert "<script" not in text
    assert "<b" not in text
    assert "<!--" not in text
    assert "run" not in text
    assert "&lt;script&gt;" in text
    assert "href" not in text


def test_links_stay_in_the_documentation_or_say_nothing_of_it(book: Manual) -> None:
    text = text_of(
        book, "[a](other.md#same) [b](../index.md) [c](../../README.md) [d](https://example.org) [e](#x)"
    )
    assert '<a href="/docs/deep/other#same">a</a>' in text
    assert '<a href="/docs">b</a>' in text
    assert " c " in text
    assert '<a href="https://example.org" rel="noreferrer">d</a>' in text
    assert '<a href="#x">e</a>' in text


def test_a_picture_is_served_from_here_or_is_its_description(book: Manual) -> None:
    text = text_of(book, "![A page](../images/page.png) ![away](https://example.org/x.png) ![gone](x.png)")
    assert '<img src="/docs/images/page.png" alt="A page" loading="lazy"' in text
    assert text.count("<img") == 1
    assert "away" in text
    assert "gone" in text


def test_headings_have_anchors_as_on_github(book: Manual) -> None:
    source = "# T\n\n## A `code`, and: more!\n\n## Same\n\n### Same\n"
    rendered = manual_text.rendered(source, "", book.address)
    assert [heading.anchor for heading in rendered.headings] == ["a-code-and-more", "same", "same-1"]
    assert 'id="same-1"' in rendered.body
    assert "<h1" not in rendered.body


def test_a_table_has_headings_only_where_they_say_something(book: Manual) -> None:
    plain = text_of(book, "| | |\n|---|---|\n| a | b |\n")
    assert "<th" not in plain
    headed = text_of(book, "| one | |\n|---|---|\n| a | b |\n")
    assert '<th scope="col">one</th>' in headed
    assert headed.count("<td></td>") == 1


def test_a_command_can_be_copied_and_what_it_prints_cannot(book: Manual) -> None:
    text = text_of(book, "```shell\nls <x>\n```\n\n```text\nout\n```\n")
    assert '<pre id="code-1" tabindex="0"><code>ls &lt;x&gt;' in text
    assert text.count("data-copy") == 1


def test_what_stands_around_a_text_is_light(stranger: Window, http: TestClient) -> None:
    """How long a text is, its subject says: with all else a page stays well below 60 kB."""
    assets = sum(len(http.get(f"/static/{name}").content) for name in ("mixus.css", "mixus.js"))
    for name, page in manual().pages.items():
        folder = name.rpartition("/")[0]
        text = manual_text.rendered(page.source, folder, manual().address).body
        around = len(stranger.get(f"/docs/{name}").content) - len(text.encode())
        assert around + assets <= 55_000, name


def test_an_installed_package_has_the_documentation() -> None:
    """The wheel holds it where the server looks first. It holds the vectors of keys too, so no `tmp_path`."""
    with TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        site = Path(folder, "site")
        with ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            wheel.extractall(site)
        shown = "from mixus.server.web.manual_files import manual; print(*manual().files.values())"
        done = subprocess.run(
            [sys.executable, "-c", shown],
            cwd=folder,
            env={"PYTHONPATH": str(site)},
            check=True,
            capture_output=True,
            text=True,
        )
        docs = (site / "mixus/server/web/docs").resolve()
        found = sorted(Path(path).resolve().relative_to(docs).as_posix() for path in done.stdout.split())
    assert found == sorted(manual().files)
