"""What the agent reads of the web: the words of a page, the results of a search, and clear failures."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from website import Website, outcome, page, redirect, watched_connections, website

from mixus.agents.tools import readable, web
from mixus.agents.tools.outbound import MAX_BYTES, Gateway
from mixus.agents.tools.readable import MAX_CHARACTERS, read_html
from mixus.agents.tools.registry import Tool, ToolFailed
from mixus.agents.tools.toolbox import tools_of
from mixus.core.hosts import parse_hosts
from mixus.core.settings import Settings
from mixus.evals.lifecycle import Effect

HTML = b"""<!DOCTYPE html><html><head><title>Prices &amp; terms</title><style>p { color: red }</style>
<script>if (1 < 2) document.write("<p>hidden</p>")</script></head><body><!-- <p>a comment</p> -->
<h1>Price   list</h1><p>The <b>basic</b> plan costs <a href="/basic">5&nbsp;&euro;</a>.<br>Per month.</p>
<ul><li>one</li><li>two</li></ul><noscript>Switch it on</noscript>
<img alt="a > b" src=x><p title='1 > 0'>
Last"""


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as made:
        yield made


def call(tool: Tool, **arguments: Any) -> Any:
    return outcome(tool.run(tool.arguments(**arguments), None))  # type: ignore[arg-type]  # needs no context


def fetch(site: Website, target: str = "/") -> Any:
    return call(web.web_fetch(Gateway(parse_hosts(f"127.0.0.1:{site.port}"))), url=site.url(target))


def test_a_page_becomes_its_title_and_the_words_that_show(site: Website) -> None:
    site.answers["/"] = page(HTML, kind="text/html; charset=utf-8")
    assert fetch(site) == {
        "url": site.url(),
        "status": 200,
        "contentType": "text/html",
        "title": "Prices & terms",
        "text": "Price list\nThe basic plan costs 5 €.\nPer month.\none\ntwo\nLast",
    }


def test_the_address_that_answered_is_told(site: Website) -> None:
    site.answers |= {"/old": redirect("/new"), "/new": page(b"moved")}
    assert fetch(site, "/old")["url"] == site.url("/new")


@pytest.mark.parametrize("kind", ["application/json", "application/a+json", "text/csv", "application/xml"])
def test_data_comes_as_it_is(site: Website, kind: str) -> None:
    site.answers["/"] = page(b'{"a": "<b>"}', kind=kind)
    assert fetch(site)["text"] == '{"a": "<b>"}'


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "application/octet-stream", ""])
def test_what_is_no_text_is_refused_by_its_type(site: Website, kind: str) -> None:
    site.answers["/"] = page(b"\x00\x01", kind=kind)
    with pytest.raises(ToolFailed, match=f"{kind or 'of no stated type'}; only text"):
        fetch(site)


def test_a_page_that_is_not_there_is_told_as_such(site: Website) -> None:
    assert fetch(site, "/gone")["status"] == 404


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/plain; charset=ISO-8859-1", "Käse €".encode("cp1252", "replace")),
        ("text/plain", "\ufeffKäse €".encode()),
        ("text/plain; charset=utf-16", "Käse €".encode("utf-16")),
        ("text/html", b"<meta charset='windows-1252'>" + "Käse €".encode("cp1252")),
        ("text/plain; charset=punycode", "Käse €".encode()),
        ("text/plain; charset=no-such", "Käse €".encode()),
    ],
)
def test_letters_are_read_as_the_page_says(kind: str, content: bytes) -> None:
    assert readable.read(content, kind).text.startswith("Käse")


@pytest.mark.parametrize("size", [MAX_CHARACTERS + 1, MAX_BYTES + 1])
def test_a_text_that_is_too_long_is_clipped_and_says_so(site: Website, size: int) -> None:
    site.answers["/"] = page(b"x" * size)
    text = fetch(site)["text"]
    assert text == "x" * MAX_CHARACTERS + "\n[Cut: there is more.]"


def test_a_page_that_was_cut_says_so_however_little_it_shows(site: Website) -> None:
    site.answers["/"] = page(b"<p>short</p><!--" + b" " * MAX_BYTES, kind="text/html")
    assert fetch(site)["text"] == "short\n[Cut: there is more.]"


HOSTILE = [
    *(
        "<a ",
        "<",
        "</",
        "<!",
        "<!--",
        "<?",
        "<a b='",
        '<a b="',
        "<a b=",
        "<a/",
        "<script>",
        "<style></",
        "<title>",
    ),
    *("&#", "&", "<a b='\"", "= ", "<a =", "<p><p", "<![CDATA[", "<svg><svg ", "&#9", "<a\n", "<template>"),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_page_is_read_to_its_end(piece: str) -> None:
    """The standard library's reader would need hours for some of these, and the test would time out."""
    markup = piece * (MAX_BYTES // len(piece))
    assert read_html(f"<p>before</p>{markup}").text.startswith("before")


@given(st.text(alphabet="<>/!-ab \"'=&#;9x\n", max_size=200) | st.text())
def test_any_markup_can_be_read_and_no_script_shows(text: str) -> None:
    read_html(text)
    shown = read_html(f"<p>before</p><script>{text.replace('<', '')} secret</script><p>after</p>")
    assert shown.text == "before\nafter"


def test_a_number_of_too_many_digits_is_no_character() -> None:
    assert read_html(f"<p>&amp; &#{'9' * 5000};").text.endswith("9;")


RESULTS = {
    "query": "x",
    "results": [
        {"title": "One", "url": "https://one.example/", "content": "First.", "engine": "e"},
        {"title": None, "url": "https://two.example/"},
        {"title": "no address", "url": None},
        *({"title": str(n), "url": f"https://{n}.example/", "content": "x" * 2000} for n in range(20)),
    ],
}


def search(site: Website, path: str = "", **arguments: Any) -> Any:
    tool = tools_of(Settings(search_url=f"{site.url('')}{path}"))["web_search"]
    return call(tool, **{"query": "a & b=c", **arguments})


def found_at(path: str = "") -> str:
    return f"{path}/search?q=a+%26+b%3Dc&format=json"


@pytest.mark.parametrize("path", ["", "/searxng"])
def test_a_search_asks_the_configured_server_and_nobody_else(site: Website, path: str) -> None:
    site.answers[found_at(path)] = page(orjson.dumps(RESULTS), kind="application/json")
    with watched_connections() as connections:
        found = search(site, f"{path}/" if path else "", count=3)
    assert found[0] == {"title": "One", "url": "https://one.example/", "snippet": "First."}
    assert found[1] == {"title": "", "url": "https://two.example/", "snippet": ""}
    assert (found[2]["title"], len(found[2]["snippet"])) == ("0", 500)
    assert connections == [f"127.0.0.1:{site.port}"]
    [received] = site.received
    assert parse_qs(urlsplit(received.target).query) == {"q": ["a & b=c"], "format": ["json"]}


def test_a_search_gives_as_many_results_as_were_asked_for_and_never_more_than_ten(site: Website) -> None:
    site.answers[found_at()] = page(orjson.dumps(RESULTS), kind="application/json")
    assert (len(search(site)), len(search(site, count=10))) == (5, 10)
    with pytest.raises(ValidationError):
        search(site, count=11)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(b"Forbidden", status="403 Forbidden"), "answers 403"),
        (page(b"<html>", kind="text/html"), "cannot be read as results"),
        (page(b'{"results": {"a": 1}}'), "cannot be read as results"),
        (page(b'{"results": [1]}'), "cannot be read as results"),
        (page(b"[]"), "cannot be read as results"),
        (redirect("http://127.0.0.1:9/"), "redirect"),
        (b"", "broke off"),
    ],
)
def test_a_search_that_fails_says_why(site: Website, answer: bytes, reason: str) -> None:
    site.answers[found_at()] = answer
    with watched_connections() as connections, pytest.raises(ToolFailed, match=reason):
        search(site)
    assert connections == [f"127.0.0.1:{site.port}"]


def test_a_search_server_that_is_down_is_a_clear_failure() -> None:
    with website() as gone:
        pass
    with pytest.raises(ToolFailed, match="No connection to 127"):
        search(gone)


@pytest.mark.parametrize(
    "url",
    ["searx.example.org", "ftp://a.example", "http://", "http://u:p@a.example", "http://a.example/?q=1"],
)
def test_a_search_url_that_cannot_be_meant_is_refused_at_start(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(search_url=url)


def test_what_reaches_outside_is_listed_only_where_it_is_configured() -> None:
    bare = tools_of(Settings())
    assert list(bare)[:3] == ["calculate", "send_email", "checkpoint"]
    assert not {"web_fetch", "web_search", "http_request"} & set(bare)
    settings = Settings(web_hosts="*", http_hosts="a.example", search_url="https://s.example.org")
    whole = tools_of(settings)
    assert list(whole)[:3] == ["calculate", "send_email", "checkpoint"]
    effects = {name: whole[name].effect for name in ("web_fetch", "web_search", "http_request")}
    assert effects == {
        "web_fetch": Effect.READ,
        "web_search": Effect.READ,
        "http_request": Effect.OTHER,
    }
