"""What holds for every page: who may see it, and how it is kept from being misused."""

from web.windows import House

from mixus.server.web.refusals import safe_next


def test_a_page_asks_a_stranger_to_sign_in_and_remembers_where_he_wanted_to_go(house: House) -> None:
    answer = house.window().get("/eval?status=running")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/signin?next=%2Feval%3Fstatus%3Drunning"


def test_a_page_carries_the_headers_that_keep_it_from_being_misused(house: House) -> None:
    headers = house.signed_in().get("/eval").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_what_is_not_there_is_a_page_for_a_browser_and_a_problem_for_a_program(house: House) -> None:
    window = house.signed_in()
    page = window.get("/nowhere")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert window.get("/nowhere", Accept="*/*").headers["content-type"] == "application/problem+json"
    assert window.get("/api/nowhere").headers["content-type"] == "application/problem+json"


def test_files_are_kept_for_ever_under_a_name_that_changes_with_them(house: House) -> None:
    window = house.signed_in()
    page = window.get("/eval").text
    address = page.partition('href="/static/mixus.css')[2].partition('"')[0]
    answer = window.get(f"/static/mixus.css{address}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert window.get("/static/passwd").status_code == 404


def test_files_are_compressed_for_who_takes_that_and_pages_never(house: House) -> None:
    """A page holds a secret, its token, beside text that others choose: compressed, its length would tell."""
    window = house.signed_in()
    plain = window.get("/static/mixus.css", Accept_Encoding="identity")
    packed = window.get("/static/mixus.css", Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.content == plain.content
    assert "content-encoding" not in window.get("/eval", Accept_Encoding="gzip").headers


def test_a_way_back_never_leaves_this_site() -> None:
    assert safe_next("/review/chk_1?x=1") == "/review/chk_1?x=1"
    for hostile in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "x",
        "",
        None,
    ):
        assert safe_next(hostile) == "/"
