"""An action is shown as what it is, and nothing of it is hidden."""

from typing import Any

import pytest
from web.waiting import MAIL, action

from mixus.server.web.actions import Find, Present, Seen, shown
from mixus.server.web.differences import MOST_COMPARED, Line, difference

FILE = "customer,amount\nAcme,1200\nTotal,2700\n"
NEW_FILE = "customer,amount\nAcme,1200\nTotal,2715\n"


def seen(*actions: dict[str, Any], find: Find | None = None) -> list[Seen]:
    return [each.seen for each in shown(actions, find)]


def holding(content: bytes | None = None, problem: str | None = None) -> Find:
    return lambda _path: Present(content, problem)


def spelled(lines: Any) -> list[str]:
    signs = {"plus": "+", "minus": "-", "same": " ", "place": "@"}
    return [signs[line.kind] + line.text for line in lines]


def test_a_mail_is_shown_as_a_mail() -> None:
    [mail] = seen(action(**{**MAIL, "cc": ["dee@example.org"]}))
    assert mail.facts == [("To", "cy@example.org"), ("Cc", "dee@example.org"), ("Subject", "Your refund")]
    assert mail.text == MAIL["body"]
    assert mail.does == "sends an e-mail to cy@example.org, dee@example.org"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("send_email", {**MAIL, "bcc": ["spy@example.org"]}),
        ("send_email", {"to": "cy@example.org", "subject": "x", "body": "y"}),
        ("write_file", {"path": "a.txt", "content": "x", "mode": "777"}),
        ("http_request", {"method": "BREW", "url": "https://example.org", "headers": {}, "body": ""}),
        ("change_database", {"sql": "delete from t", "parameters": [], "also": "drop table t"}),
        ("delete_file", {"path": 7}),
        ("tickets_close", {"id": 7}),
    ],
)
def test_what_no_form_would_show_whole_is_a_table_of_all_arguments(
    tool: str, arguments: dict[str, Any]
) -> None:
    [table] = seen(action(tool, "other", **arguments))
    assert not table.is_known
    assert dict(table.facts) == arguments
    assert tool in table.does


def test_a_call_without_arguments_says_so() -> None:
    [table] = seen({**action("tickets_purge", "delete"), "arguments": {}})
    assert table.notes == ["It has no arguments."]
    assert table.does == "calls tickets_purge, which may delete something"


def test_a_statement_is_shown_with_each_of_its_values() -> None:
    [statement] = seen(action("change_database", "modify", sql="update t set a = ?", parameters=[7]))
    assert statement.code == "update t set a = ?"
    assert statement.facts == [("Value 1", 7)]


def test_a_request_names_the_host_that_it_truly_goes_to() -> None:
    url = "https://bank.example.com@evil.example.org/pay"
    [request] = seen(
        action("http_request", "other", method="POST", url=url, headers={"X-Way": "1"}, body="{}")
    )
    assert request.facts == [
        ("Goes to", "evil.example.org"),
        ("Request", f"POST {url}"),
        ("Header X-Way", "1"),
    ]
    assert request.does == "sends a POST request to evil.example.org"
    assert request.code == "{}"


@pytest.mark.parametrize(
    ("host", "shown"), [("ex\u0430mple.org", "xn--exmple-4nf.org"), ("example\u3002org", "example.org")]
)
def test_a_host_in_letters_of_another_script_shows_as_it_is_looked_up(host: str, shown: str) -> None:
    url = f"https://{host}/pay"
    [request] = seen(action("http_request", "other", method="POST", url=url, headers={}, body=""))
    assert request.facts[0] == ("Goes to", shown)
    assert shown in request.does


def test_a_recipient_in_letters_of_another_script_is_pointed_out() -> None:
    mail = {**MAIL, "to": ["cy@ex\u0430mple.org"], "cc": ["cy@example.org"]}
    [letter] = seen(action("send_email", "send", **mail))
    [note] = letter.notes
    assert r"cy@ex\N{CYRILLIC SMALL LETTER A}mple.org" in note


def test_a_change_of_a_file_is_a_difference_to_what_it_holds_now() -> None:
    [change] = seen(
        action("write_file", "modify", path="may.csv", content=NEW_FILE), find=holding(FILE.encode())
    )
    assert spelled(change.lines) == [
        "@Line 1",
        " customer,amount",
        " Acme,1200",
        "-Total,2700",
        "+Total,2715",
    ]


def test_a_new_file_is_shown_whole() -> None:
    [new] = seen(action("write_file", "modify", path="may.csv", content=FILE), find=holding())
    assert new.title == "New file"
    assert spelled(new.lines) == ["+customer,amount", "+Acme,1200", "+Total,2700"]


def test_a_deletion_shows_what_goes() -> None:
    [deletion] = seen(action("delete_file", "delete", path="may.csv"), find=holding(FILE.encode()))
    assert deletion.title == "Delete a file"
    assert spelled(deletion.lines) == ["-customer,amount", "-Acme,1200", "-Total,2700"]
    [of_nothing] = seen(action("delete_file", "delete", path="may.csv"), find=holding())
    assert of_nothing.notes == ["There is no such file now."]


def test_a_later_action_is_compared_to_what_the_earlier_ones_leave() -> None:
    _, second, gone, again = seen(
        action("write_file", "modify", 1, path="a.txt", content="one\n"),
        action("write_file", "modify", 2, path="a.txt", content="two\n"),
        action("delete_file", "delete", 3, path="a.txt"),
        action("write_file", "modify", 4, path="a.txt", content="three\n"),
        find=holding(b"zero\n"),
    )
    assert spelled(second.lines)[1:] == ["-one", "+two"]
    assert spelled(gone.lines) == ["-two"]
    assert again.title == "New file"


def test_what_cannot_be_compared_is_shown_whole_with_the_reason() -> None:
    write = action("write_file", "modify", path="a.bin", content="text")
    [binary] = seen(write, find=holding(b"\xff\x00"))
    assert (binary.code, binary.notes) == ("text", ["What it holds now is no text, and is replaced."])
    [unreadable] = seen(write, find=holding(problem="a.bin is a link."))
    assert unreadable.notes == ["What it holds now cannot be shown: a.bin is a link."]
    [foreign] = seen(write)
    assert (foreign.code, foreign.lines) == ("text", ())


def test_a_difference_of_line_ends_shows() -> None:
    assert spelled(difference("a\r\n", "a\n").lines) == ["@Line 1", "-a⟨U+000D⟩", "+a"]
    assert spelled(difference("a\n", "a").lines) == ["@Line 1", "-a", "+a ⟨no line end⟩"]


def test_lines_are_left_out_only_when_it_is_said() -> None:
    before = "".join(f"{number}\n" for number in range(100))
    found = difference(before, before.replace("50\n", "fifty\n"))
    assert [line.text for line in found.lines if line.kind == "place"] == ["Line 48"]
    assert len(found.lines) == 1 + 3 + 2 + 3
    assert "left out" in found.notes[0]


def test_what_is_too_long_to_compare_is_still_shown_whole() -> None:
    before = "".join(f"old {number}\n" for number in range(MOST_COMPARED + 1))
    after = "".join(f"new {number}\n" for number in range(MOST_COMPARED + 1))
    found = difference(before, after)
    assert [line.kind for line in found.lines] == ["minus"] * 501 + ["plus"] * 501
    assert "Too much changes" in found.notes[0]


def test_a_small_change_in_a_long_file_is_compared() -> None:
    before = "".join(f"{number}\n" for number in range(30_000))
    found = difference(before, before.replace("20000\n", "x\n"))
    assert Line("minus", "20000") in found.lines
    assert found.lines[0] == Line("place", "Line 19998")


def test_writing_what_is_there_changes_nothing_and_says_so() -> None:
    assert difference(FILE, FILE).notes == ["Nothing changes: the file holds exactly this already."]
