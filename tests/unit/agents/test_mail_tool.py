"""`send_email`: recorded in the sandbox, sent once when live, and certain or not when it fails."""

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import smtp as receivers
from factories import NOW
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from smtp import Receiver
from website import outcome, watched_connections

from mixus.agents.tools import mail as mail_tool
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.mail import Email, send_email
from mixus.agents.tools.registry import Context, ToolFailed
from mixus.agents.tools.toolbox import tools_of
from mixus.core import smtp
from mixus.core.settings import Settings
from mixus.core.smtp import MailServer, Unanswered
from mixus.evals.lifecycle import Environment

CONTEXT = Context("exe_1", "act_1", Environment.LIVE, None)  # type: ignore[arg-type]  # no workspace is needed


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.receiver() as made:
        yield made


def server_at(url: str) -> MailServer:
    made = smtp.server_of(
        Settings.model_validate({"smtp_url": url, "mail_from": "Mixus <mixus@example.org>"})
    )
    assert made is not None
    return made


def email(**fields: Any) -> Email:
    return Email(**{"to": ["ada@example.org"], "subject": "Hello", "body": "Text.", **fields})


def send(url: str, **fields: Any) -> Any:
    return outcome(send_email(server_at(url), lambda: NOW).run(email(**fields), CONTEXT))


def test_a_live_mail_is_sent_as_it_was_approved(receiver: Receiver) -> None:
    with watched_connections() as connections:
        result = send(
            receiver.url(),
            to=["ada@example.org", "bob@example.org"],
            cc=["cy@example.org", "ada@example.org"],
            subject="Prämie: 7.500 €",
            body="One\n.\n..two\nKäse\n",
        )
    assert result == {
        "status": "sent",
        "recipients": ["ada@example.org", "bob@example.org", "cy@example.org"],
        "messageId": "<act_1@example.org>",
    }
    [mail] = receiver.received
    assert (mail.sender, mail.recipients) == ("mixus@example.org", tuple(result["recipients"]))
    assert mail.text.replace("\r\n", "\n") == "One\n.\n..two\nKäse\n"
    assert {name: str(mail.message[name]) for name in ("From", "To", "Cc", "Subject", "Message-ID")} == {
        "From": "Mixus <mixus@example.org>",
        "To": "ada@example.org, bob@example.org",
        "Cc": "cy@example.org, ada@example.org",
        "Subject": "Prämie: 7.500 €",
        "Message-ID": "<act_1@example.org>",
    }
    assert (mail.message["X-Mixus-Execution"], mail.message["Auto-Submitted"]) == ("exe_1", "auto-generated")
    assert set(connections) == {"look-up 127.0.0.1", f"127.0.0.1:{receiver.port}"}


def test_the_sandbox_records_a_mail_and_connects_to_nobody(receiver: Receiver) -> None:
    tool = send_email(server_at(receiver.url()))
    with watched_connections() as connections:
        result = outcome(tool.record(email(cc=["bob@example.org"]), CONTEXT))
    assert result == {
        "status": "recorded",
        "sandbox": True,
        "recipients": ["ada@example.org", "bob@example.org"],
    }
    assert connections == []


@pytest.mark.parametrize("settings", [{}, {"smtp_url": "smtp://127.0.0.1:1"}, {"mail_from": "a@example.org"}])
def test_without_a_mail_server_nothing_is_sent_and_it_says_so(settings: dict[str, str]) -> None:
    tools = [tools_of(Settings.model_validate(settings))["send_email"], BUILT_IN["send_email"]]
    for tool in tools:
        with pytest.raises(ToolFailed, match=r"^No mail server is set up here; nothing was sent\.$"):
            outcome(tool.run(email(), CONTEXT))


def test_one_recipient_that_is_refused_keeps_the_mail_from_all(receiver: Receiver) -> None:
    receiver.refused.add("bob@example.org")
    sentence = r"^The mail server refused the recipient \(550\) bob@example\.org; nothing was sent\.$"
    with pytest.raises(ToolFailed, match=sentence):
        send(receiver.url(), to=["ada@example.org", "bob@example.org", "cy@example.org"])
    assert receiver.received == []


def test_what_the_server_says_and_its_password_are_told_to_nobody(receiver: Receiver) -> None:
    receiver.refused.add("ada@example.org")
    with pytest.raises(ToolFailed) as refused:
        send(receiver.url("smtp", f"{receivers.NAME}:{receivers.ENCODED}@"))
    assert receivers.PASSWORD not in str(refused.value)


def test_a_server_that_is_away_is_a_certain_failure() -> None:
    with (
        receivers.receiver(is_started=False) as down,
        pytest.raises(ToolFailed, match=r"unreachable; nothing"),
    ):
        send(down.url())


class Dialogue(socketserver.StreamRequestHandler):
    """A mail server that gives the answers of a list, one for each command; None hangs up instead."""

    replies: Sequence[str | None]
    heard: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for reply in self.replies:
            command = self._command()
            self.heard.append(command)
            if reply is None:
                return
            self.wfile.write(f"{reply}\r\n".encode())

    def _command(self) -> str:
        """A line, or the whole mail when the answer before asked for it."""
        if self.heard[-1:] == ["DATA"]:
            while self.rfile.readline() not in (b".\r\n", b""):
                pass
            return "MAIL"
        return self.rfile.readline().decode().split(" ")[0].strip().upper()


@contextmanager
def dialogue(*replies: str | None) -> Iterator[tuple[str, list[str]]]:
    heard: list[str] = []
    handler = type("Told", (Dialogue,), {"replies": replies, "heard": heard})
    with socketserver.TCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"smtp://127.0.0.1:{server.server_address[1]}", heard
        finally:
            server.shutdown()
            thread.join()


BEFORE = ("250 here", "250 sender", "250 recipient")


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        (("250 here", "550 no"), "refused the sender \\(550\\)"),
        (("250 here", None), "unreachable"),
        (("250 here", "250 sender", None), "unreachable"),
        (("250 here", "250 sender", "421 closing"), "refused the recipient \\(421\\)"),
        ((*BEFORE, "554 no"), "refused the mail \\(554\\)"),
        ((*BEFORE, None), "unreachable"),
        ((*BEFORE, "250 what"), "refused the mail \\(250\\)"),
        ((*BEFORE, "354 go on", "554 no"), "refused the mail \\(554\\)"),
        ((*BEFORE, "354 go on", "451 later"), "refused the mail \\(451\\)"),
    ],
)
def test_a_refusal_is_certain_up_to_the_answer_to_the_mail(
    replies: Sequence[str | None], reason: str
) -> None:
    with (
        dialogue(*replies) as (url, _heard),
        pytest.raises(ToolFailed, match=f"{reason}.*; nothing was sent"),
    ):
        send(url)


@pytest.mark.parametrize("answer", [None, "nonsense", "354 more"])
def test_a_connection_that_is_lost_after_the_mail_is_not_called_certain(answer: str | None) -> None:
    with dialogue(*BEFORE, "354 go on", answer) as (url, heard), pytest.raises(Unanswered):
        send(url)
    assert heard[-1] == "MAIL"


@pytest.mark.parametrize("answer", ["250 taken", "252 taken in a way"])
def test_a_mail_that_was_taken_is_sent_whatever_becomes_of_the_good_bye(answer: str) -> None:
    with dialogue(*BEFORE, "354 go on", answer, None) as (url, _heard):
        assert send(url)["status"] == "sent"


def test_a_subject_cannot_become_another_header(receiver: Receiver) -> None:
    """An encoded word is decoded when it is set as a header: the line break in this one would stand bare."""
    send(receiver.url(), subject="=?utf-8?q?Hi=0ABcc=3A_eve=40example=2Eorg?=")
    [mail] = receiver.received
    assert mail.message["Bcc"] is None
    assert mail.recipients == ("ada@example.org",)
    with pytest.raises(ValidationError):
        email(subject="Hi\r\nBcc: eve@example.org")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "a@b\r\nBcc: c@d",
            "a b@example.org",
            "a@b@c",
            "<a@example.org>",
            "Ada <a@example.org>",
            "a@example.org,b@x",
        ),
        *(
            "a()b@example.org",
            "a..b@example.org",
            "a@[127.0.0.1]",
            "a:b@example.org",
            "a\\b@example.org",
            "a@b.",
        ),
        *("=?utf-8?q?x=0ABcc=3Ay?=@example.org", "a@=?utf-8?q?x?=", "", "@example.org", '"a"@example.org'),
    ],
)
def test_what_is_no_plain_address_is_refused_before_anybody_is_asked(address: str) -> None:
    with pytest.raises(ValidationError):
        email(to=[address])


def test_a_mail_that_cannot_be_written_is_a_certain_failure(receiver: Receiver) -> None:
    body = Email.model_construct(to=["ada@example.org"], cc=[], subject="Hi", body="half a character: \udc80")
    with pytest.raises(ToolFailed, match="nothing was sent"):
        outcome(send_email(server_at(receiver.url())).run(body, CONTEXT))
    assert receiver.received == []


LETTERS = st.characters(categories=("L", "N", "Pc")) | st.sampled_from("!#$%&'*+/=?^`{|}~-.@ ()[]:;\"\\")


@given(
    st.builds(
        "{}@{}".format, st.text(LETTERS, min_size=1, max_size=9), st.text(LETTERS, min_size=1, max_size=9)
    )
)
def test_an_address_that_is_let_through_stands_in_the_header_as_it_is(address: str) -> None:
    try:
        let_through = email(to=[address])
    except ValidationError:
        return
    message = mail_tool._written(let_through, CONTEXT, server_at("smtp://127.0.0.1"), NOW)
    assert [each.addr_spec for each in message["To"].addresses] == [address]


def test_an_address_in_other_letters_is_sent_to_or_refused_and_never_changed(receiver: Receiver) -> None:
    result = send(receiver.url(), to=["jörg@example.org"])
    [mail] = receiver.received
    assert mail.recipients == tuple(result["recipients"]) == ("jörg@example.org",)
