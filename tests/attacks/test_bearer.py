"""What an attacker writes into a request to pass for somebody else: raw bytes against a real server."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from attacks.people import Key, Office
from attacks.raw import SELF, Wire, ask, asked, bearer, request, serving
from factories import PEPPER, UNKNOWN_KEY
from sqlalchemy import event

from mixus.agents.catalog import Catalog
from mixus.core.database import Database, Read, Row, sqlite_url
from mixus.core.settings import Settings
from mixus.keys import tokens
from mixus.server.app import create_app

CREATE = b"/api/eval/create-task-agent"


class CountingDatabase(Database):
    """Counts every question that a request puts to it, on both of its lanes; the books are written beside."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.questions = 0
        event.listen(self.engine, "before_cursor_execute", self._count)

    def rows(self, read: Read, /, **parameters: str | int | bytes) -> Sequence[Row]:
        self._count()
        return super().rows(read, **parameters)

    def _count(self, *_arguments: Any) -> None:
        if threading.current_thread().name != "mixus-usage":
            self.questions += 1


@dataclass(frozen=True)
class Target:
    port: int
    database: CountingDatabase
    office: Office
    good: Key
    others: list[Key] = field(default_factory=list)

    def lives(self) -> bool:
        return asked(self.port, request(bearer(self.good.secret))).status == 200


@pytest.fixture(scope="module")
def target(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    path = tmp_path_factory.mktemp("bearer") / "mixus.db"
    shutil.copyfile(sqlite_template, path)
    database = CountingDatabase(sqlite_url(path))
    office = Office(database, PEPPER)
    settings = Settings(requests_per_minute=1_000_000, failed_keys_per_minute=1_000_000)
    with serving(create_app(settings, database, PEPPER, Catalog("rehearsal"))) as port:
        yield Target(port, database, office, office.key(), [office.key()])
    database.close()


# Well formed, and known to nobody: where the shape is spoilt, nobody needs to know it.
KEY = UNKNOWN_KEY.encode()
BODY = KEY[len(tokens.PREFIX) :]
SWAPPED = KEY[:20] + KEY[21:22] + KEY[20:21] + KEY[22:]
AUTH = b"Authorization: "

NO_KEY = {
    "no header": [],
    "an empty header": [b"Authorization:"],
    "blanks": [b"Authorization:    "],
    "Bearer alone": [AUTH + b"Bearer"],
    "Bearer and blanks": [AUTH + b"Bearer      "],
    "Basic": [AUTH + b"Basic YTpi"],
    "Digest": [AUTH + b'Digest username="a"'],
}
NO_BEARER = {
    "Token": AUTH + b"Token " + KEY,
    "Basic with a key": AUTH + b"Basic " + KEY,
    "no scheme": AUTH + KEY,
    "a colon after the scheme": AUTH + b"Bearer: " + KEY,
    "an equals sign after the scheme": AUTH + b"Bearer=" + KEY,
    "a tab after the scheme": AUTH + b"Bearer\t" + KEY,
    "no space after the scheme": AUTH + b"Bearer" + KEY,
    "the scheme twice": AUTH + b"Bearer Bearer " + KEY,
    "full-width letters in the scheme": AUTH + "\uff22earer ".encode() + KEY,
    "a Kelvin sign in the scheme": AUTH + "Bea\u212aer ".encode() + KEY,
}
MISSHAPEN = {
    "quotes": AUTH + b'Bearer "' + KEY + b'"',
    "brackets": AUTH + b"Bearer <" + KEY + b">",
    "other case": AUTH + b"Bearer " + KEY.swapcase(),
    "a prefix in capitals": AUTH + b"Bearer MXS_EVAL_" + BODY,
    "a hyphen in the prefix": AUTH + b"Bearer mxs_eval-" + BODY,
    "another prefix": AUTH + b"Bearer mxs_live_" + BODY,
    "no prefix": AUTH + b"Bearer " + BODY,
    "40 characters": AUTH + b"Bearer " + KEY[:-1],
    "42 characters": AUTH + b"Bearer " + KEY + b"0",
    "a character changed": AUTH + b"Bearer " + KEY[:-1] + b"0",
    "two characters swapped": AUTH + b"Bearer " + SWAPPED,
    "a comma after it": AUTH + b"Bearer " + KEY + b",",
    "a semicolon after it": AUTH + b"Bearer " + KEY + b";",
    "a second token": AUTH + b"Bearer " + KEY + b" x",
    "two keys in one header": AUTH + b"Bearer " + KEY + b", Bearer " + KEY,
    "a tab inside": AUTH + b"Bearer " + KEY[:20] + b"\t" + KEY[20:],
    "a space inside": AUTH + b"Bearer " + KEY[:20] + b" " + KEY[20:],
    "%00": AUTH + b"Bearer " + KEY + b"%00",
    "%0a": AUTH + b"Bearer " + KEY + b"%0a",
    "%0a inside": AUTH + b"Bearer " + KEY[:20] + b"%0a" + KEY[20:],
    "NEL": AUTH + b"Bearer " + KEY + b"\x85",
    "no-break space": AUTH + b"Bearer " + KEY + b"\xa0",
    "byte order mark": AUTH + b"Bearer \xef\xbb\xbf" + KEY,
    "zero-width space": AUTH + b"Bearer " + KEY + "\u200b".encode(),
    "right-to-left mark": AUTH + b"Bearer \xe2\x80\x8f" + KEY,
    "a byte beyond ASCII": AUTH + b"Bearer " + KEY[:-1] + b"\xff",
    "full-width digits": AUTH + b"Bearer " + KEY[:-1] + "\uff15".encode(),
    "Cyrillic letters": AUTH + b"Bearer " + KEY.decode().replace("a", "\u0430").encode(),
    "Arabic digits": AUTH + b"Bearer " + KEY[:-2] + "\u0665".encode(),
    "nothing but other letters": AUTH + b"Bearer " + ("\u00e9" * 20).encode(),
    "or 1=1": AUTH + b"Bearer ' OR '1'='1",
    "or 1=1 behind a prefix": AUTH + b"Bearer mxs_eval_' OR '1'='1' --   0000000",
    "drop": AUTH + b"Bearer '; DROP TABLE keys; --",
    "pg_sleep": AUTH + b"Bearer mxs_eval_' || pg_sleep(10) --",
    "union": AUTH + b"Bearer x' UNION SELECT * FROM keys --",
    "like": AUTH + b"Bearer mxs_eval_%",
    "like of 41 characters": AUTH + b"Bearer mxs_eval_" + b"_" * 32,
    "percent of 41 characters": AUTH + b"Bearer mxs_eval_" + b"%" * 32,
    "ldap": AUTH + b"Bearer *)(uid=*))(|(uid=*",
    "template": AUTH + b"Bearer {{7*7}}${7*7}",
    "log4j": AUTH + b"Bearer ${jndi:ldap://127.0.0.1/a}",
    "JSON web token": AUTH + b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
    "300 bytes": AUTH + b"Bearer " + KEY + b"0" * 300,
    "8 kB": AUTH + b"Bearer " + b"A" * 8192,
    "a documented key 1": AUTH + b"Bearer mxs_eval_000000000000000000000000003ioNjy",
    "a documented key 2": AUTH + b"Bearer mxs_eval_zzzzzzzzzzzzzzzzzzzzzzzzzz3mmaxv",
    "a documented key 3": AUTH + b"Bearer mxs_eval_0123456789ABCDEFGHIJKLMNOP4IJGKH",
    "the stored hash in hex": AUTH + b"Bearer " + PEPPER.hash(UNKNOWN_KEY).hex().encode(),
}
CONTROL = [byte for byte in (*range(0x20), 0x7F) if byte not in {0x09, 0x0A, 0x0D}]


def unasked(target: Target, data: bytes) -> Any:
    """The answer to a request that must not cost one question to the database."""
    before = target.database.questions
    answer = ask(target.port, data)
    assert target.database.questions == before
    return answer


@pytest.mark.parametrize("name", NO_KEY)
def test_a_request_without_a_key_is_told_the_scheme_and_costs_no_query(target: Target, name: str) -> None:
    answer = unasked(target, request(*NO_KEY[name]))
    assert (answer.status, answer.code) == (401, "key-missing")
    assert answer.header(b"www-authenticate") == b'Bearer realm="mixus"'


@pytest.mark.parametrize("name", NO_BEARER)
def test_a_key_under_no_right_scheme_is_refused_and_costs_no_query(target: Target, name: str) -> None:
    answer = unasked(target, request(NO_BEARER[name]))
    assert answer.status == 401
    assert answer.code in {"key-missing", "key-malformed"}


@pytest.mark.parametrize("name", MISSHAPEN)
def test_what_is_no_key_is_refused_and_costs_no_query(target: Target, name: str) -> None:
    answer = unasked(target, request(MISSHAPEN[name]))
    assert answer.status == 401
    assert answer.code in {"key-malformed", "key-checksum", "key-unknown"}
    assert answer.header(b"www-authenticate") == b'Bearer realm="mixus", error="invalid_token"'
    assert b"mxs_eval_0" not in answer.body
    assert KEY not in answer.body


@pytest.mark.parametrize("byte", CONTROL)
@pytest.mark.parametrize("place", ["inside", "after"])
def test_a_control_character_in_or_after_a_good_key_never_lets_it_in(
    target: Target, byte: int, place: str
) -> None:
    secret = target.good.secret.encode()
    cut = 20 if place == "inside" else len(secret)
    answer = unasked(target, request(AUTH + b"Bearer " + secret[:cut] + bytes([byte]) + secret[cut:]))
    assert answer is None or answer.status in {400, 401}
    assert target.lives()


@pytest.mark.parametrize(
    "lines",
    [
        AUTH + b"Bearer\r\n " + b"%s",
        AUTH + b"\r\n Bearer %s",
        AUTH + b"Bearer %s\r\n ",
        AUTH + b"Bearer %s\r\n\tx",
        AUTH + b"Bearer %s\n",
        AUTH + b"Bearer %s\rX: y",
        b"Authorization : Bearer %s",
        b" Authorization: Bearer %s",
        b"Authorization\x00: Bearer %s",
        b"Authorization\xa0: Bearer %s",
        b"X: y\nAuthorization: Bearer %s",
    ],
)
def test_a_folded_or_broken_line_is_a_bad_request(target: Target, lines: bytes) -> None:
    answer = asked(target.port, request(lines % target.good.secret.encode()))
    assert answer.status == 400
    assert target.lives()


SCHEMES = [b"Bearer ", b"bearer ", b"BEARER ", b"bEaReR ", b"Bearer  ", b"Bearer     "]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", [b"Authorization", b"authorization", b"AUTHORIZATION"])
def test_the_scheme_and_the_header_are_taken_in_any_case_and_with_more_spaces(
    target: Target, name: bytes, scheme: bytes
) -> None:
    answer = asked(target.port, request(name + b": " + scheme + target.good.secret.encode()))
    assert (answer.status, answer.json["id"]) == (200, target.good.id)


@pytest.mark.parametrize("blank", [b" ", b"\t", b"   \t "])
def test_a_blank_after_the_key_is_refused(target: Target, blank: bytes) -> None:
    answer = unasked(target, request(bearer(target.good.secret) + blank))
    assert (answer.status, answer.code) == (401, "key-malformed")


@pytest.mark.parametrize("second", [b"Authorization", b"authorization", b"AUTHORIZATION"])
@pytest.mark.parametrize("order", ["same", "good first", "bad first", "basic first", "empty first"])
def test_two_authorization_headers_are_a_bad_request_whatever_they_hold(
    target: Target, order: str, second: bytes
) -> None:
    good = b"Bearer " + target.good.secret.encode()
    pairs = {
        "same": (good, good),
        "good first": (good, b"Bearer " + KEY),
        "bad first": (b"Bearer " + KEY, good),
        "basic first": (b"Basic YTpi", good),
        "empty first": (b"", good),
    }
    first, last = pairs[order]
    answer = unasked(target, request(AUTH + first, second + b": " + last))
    assert (answer.status, answer.code) == (400, "invalid-request")


def test_a_key_anywhere_else_than_in_its_header_is_not_looked_at(target: Target) -> None:
    good = target.good.secret.encode()
    body = b'{"taskDescription": "x", "key": "' + good + b'"}'
    length = b"Content-Length: %d" % len(body)
    elsewhere = [
        request(path=SELF.encode() + b"?key=" + good + b"&access_token=" + good + b"&api_key=" + good),
        request(b"Cookie: key=" + good + b"; mixus_session=" + good + b"; Authorization=Bearer%20" + good),
        request(b"X-API-Key: " + good, b"X-Authorization: Bearer " + good, b"Api-Key: " + good),
        request(b"Proxy-Authorization: Bearer " + good),
        request(b"X-Forwarded-Authorization: Bearer " + good, b"X-Original-Authorization: Bearer " + good),
        request(b"Content-Type: application/json", length, method=b"POST", path=CREATE, body=body),
        request(path=b"http://user:" + good + b"@mixus.example" + SELF.encode()),
    ]
    for data in elsewhere:
        answer = asked(target.port, data)
        assert answer.status == 401, data
        assert good not in answer.body


def test_a_cookie_that_is_no_session_does_not_spoil_a_good_key(target: Target) -> None:
    cookies = [b"Cookie: mixus_session=nonsense", b"Cookie: mixus_session=\xff\xfe", b"Cookie: ;;;=;"]
    for cookie in cookies:
        assert asked(target.port, request(cookie, bearer(target.good.secret))).status == 200


@pytest.mark.parametrize("size", [64_000, 1_000_000, 8_000_000])
def test_a_huge_header_is_refused_or_cut_off_and_the_server_lives(target: Target, size: int) -> None:
    for line in (AUTH + b"Bearer " + b"A" * size, b"X-Long: " + b"A" * size, b"X" * size + b": y"):
        answer = unasked(target, request(line))
        assert answer is None or 400 <= answer.status < 500
    assert target.lives()


def test_a_head_without_an_end_is_cut_off_before_it_fills_the_memory(target: Target) -> None:
    with Wire(target.port) as wire:
        wire.socket.settimeout(5)
        head = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: " + b"A" * 32 * 1024 * 1024
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            wire.socket.sendall(head)
    assert target.lives()


@pytest.mark.parametrize("size", [70_000, 100_000, 200_000])
def test_a_body_that_comes_with_its_head_is_no_long_head(target: Target, size: int) -> None:
    body = b'{"key": "' + b"x" * size + b'"}'
    lines = (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    head = b"POST /api/keys/report-leak HTTP/1.1\r\nHost: a\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"
    with Wire(target.port) as wire:
        wire.socket.sendall(head + body)
        answer = wire.answer()
    assert answer is not None
    assert (answer.status, answer.code) == (422, "invalid")


def test_ten_thousand_headers_end_in_a_refusal_and_the_server_lives(target: Target) -> None:
    for line in (b"X-%d: y", b"Authorization: Bearer %d", b"Cookie: a=%d"):
        answer = unasked(target, request(*(line % number for number in range(10_000))))
        assert answer is None or 400 <= answer.status < 500
    assert target.lives()


def test_a_header_that_never_ends_does_not_hold_up_others(target: Target) -> None:
    with Wire(target.port) as slow:
        slow.send(b"GET /api/keys/self HTTP/1.1\r\nHost: a\r\nAuthorization: Bea")
        for letter in b"rer ":
            slow.send(bytes([letter]))
            assert target.lives()
        slow.send(target.good.secret.encode() + b"\r\n\r\n")
        answer = slow.answer()
        assert answer is not None
        assert answer.status == 200


INNER = b"GET /api/keys/self HTTP/1.1\r\nHost: a\r\nX-Inner: 1\r\nAuthorization: Bearer %s\r\n\r\n"
JSON = b"Content-Type: application/json"
SMUGGLED: dict[str, list[bytes]] = {
    "length and chunked": [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
    "chunked and length": [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    "two lengths": [b"Content-Length: 0", b"Content-Length: 44"],
    "two equal lengths": [b"Content-Length: 5", b"Content-Length: 5"],
    "a list of lengths": [b"Content-Length: 5, 5"],
    "a negative length": [b"Content-Length: -1"],
    "a signed length": [b"Content-Length: +5"],
    "a length in hex": [b"Content-Length: 0x5"],
    "a length beyond 64 bits": [b"Content-Length: 99999999999999999999999"],
    "a no-break space": [b"Transfer-Encoding\xa0: chunked"],
    "a space before the colon": [b"Transfer-Encoding : chunked", b"Content-Length: 5"],
    "a tab before the value": [b"Transfer-Encoding:\tchunked", b"Content-Length: 5"],
    "an unknown coding": [b"Transfer-Encoding: cow", b"Content-Length: 5"],
    "coded twice": [b"Transfer-Encoding: chunked, identity"],
    "chunked twice": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
    "a vertical tab": [b"Transfer-Encoding: \x0bchunked", b"Content-Length: 5"],
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_an_ambiguous_body_is_refused_and_what_follows_is_never_read(target: Target, name: str) -> None:
    """Else a proxy in front and this server could disagree where a request ends, and whose key is whose."""
    body = b"0\r\n\r\nGET /api/keys/self HTTP/1.1\r\nX-Eaten: "
    lines = [JSON, *SMUGGLED[name], bearer(target.others[0].secret)]
    with Wire(target.port) as wire:
        wire.send(request(*lines, method=b"POST", path=CREATE, body=body))
        wire.send(request(bearer(target.good.secret)))
        answer = wire.answer()
        assert answer is not None
        assert answer.status == 400
        assert wire.is_closed()
    assert target.lives()


def test_trailers_bring_no_key(target: Target) -> None:
    trailer = b"2\r\n{}\r\n0\r\n" + bearer(target.good.secret) + b"\r\n\r\n"
    lines = [JSON, b"Transfer-Encoding: chunked", b"Trailer: Authorization"]
    answer = ask(target.port, request(*lines, method=b"POST", path=CREATE, body=trailer))
    assert answer is None or answer.status == 401
    assert target.lives()


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://mixus.example/api/keys/self HTTP/1.1",
        b"GET http://evil.example/api/keys/self HTTP/1.1",
        b"GET //api/keys/self HTTP/1.1",
        b"GET /api//keys/self HTTP/1.1",
        b"GET /API/keys/self HTTP/1.1",
        b"GET /%61pi/keys/self HTTP/1.1",
        b"GET /x/../api/keys/self HTTP/1.1",
        b"GET /api/keys/self/ HTTP/1.1",
        b"GET /api/keys/self%00 HTTP/1.1",
        b"GET /api/keys/self; HTTP/1.1",
        b"GET api/keys/self HTTP/1.1",
        b"GET /api/keys HTTP/1.0",
        b"GET /api/keys",
        b"get /api/keys/self HTTP/1.1",
        b"CONNECT mixus.example:443 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"PRI * HTTP/2.0",
    ],
)
def test_no_way_of_writing_an_address_goes_past_the_door(target: Target, line: bytes) -> None:
    """Without a key each of them gets nothing; with one each of them gets an answer of ours or none."""
    answer = ask(target.port, line + b"\r\nHost: mixus.example\r\n\r\n")
    assert answer is None or answer.status in {400, 401, 404, 405}
    answer = ask(
        target.port, line + b"\r\nHost: mixus.example\r\n" + bearer(target.good.secret) + b"\r\n\r\n"
    )
    assert answer is None or answer.status in {200, 400, 401, 403, 404, 405}
    assert target.lives()


def test_pipelined_requests_are_each_answered_to_their_own_key(target: Target) -> None:
    with Wire(target.port) as wire:
        keys = [target.good, target.others[0], target.good]
        wire.send(b"".join(request(bearer(key.secret)) for key in keys) + request())
        answers = [wire.answer() for _ in range(4)]
    assert all(answers)
    assert [answer.json.get("id") for answer in answers if answer] == [*(key.id for key in keys), None]


def test_a_good_key_costs_one_question(target: Target) -> None:
    """Of the door; a route asks more."""
    before = target.database.questions
    answer = asked(target.port, request(bearer(target.good.secret), path=b"/api/nothing"))
    assert answer.status == 404
    assert target.database.questions == before + 1
