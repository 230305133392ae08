"""What a mail says, to whom it goes, and that it is sent once and not lost."""

import logging
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import factories
import pytest
import smtp
from factories import NOW
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from reviews import SECRET
from smtp import Receiver
from sqlalchemy import Row, insert, select, update

from mixus.accounts.principal import Scope
from mixus.accounts.tables import accounts
from mixus.core import deliveries as outbox
from mixus.core.database import Database
from mixus.core.events import record
from mixus.core.settings import Settings
from mixus.core.smtp import Reason
from mixus.keys import notices
from mixus.keys.info import KeyInfo
from mixus.keys.tables import key_use, keys
from mixus.worker import deliveries, postman
from mixus.worker.mails import KeyNews, Kind, Letterhead, compose
from mixus.worker.postman import Postman
from mixus.worker.schedule import Schedule, give_notices, schedule

END = NOW + timedelta(days=90)
HEAD = Letterhead("Mixus <mixus@example.org>", "example.org", "https://mixus.example.org", secret=SECRET)
KEY = KeyInfo(
    id="key_of_the_tests",
    user_id="usr_1",
    owner_email="ada@example.org",
    lineage_id="key_of_the_tests",
    replaced_by=None,
    name="nightly run",
    description="",
    scopes=(Scope.CREATE, Scope.READ),
    allow_live=False,
    last4="1234",
    created_at=NOW,
    expires_at=END,
    disabled_at=None,
    disabled_by=None,
    revoked_at=None,
    revoked_by=None,
    revoke_reason=None,
    last_used_at=NOW + timedelta(days=75),
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with smtp.receiver() as made:
        yield made


@pytest.fixture
def secret(database: Database) -> str:
    """Of a key that ends at END and belongs to ada@example.org."""
    with database.transaction() as tx:
        return factories.create_key(tx, factories.create_account(tx), expires=END)[0]


def postman_of(url: str) -> Postman:
    made = postman.employ(
        Settings.model_validate({"smtp_url": url, "mail_from": HEAD.sender, "public_url": HEAD.public_url}),
        SECRET,
    )
    assert made is not None
    return made


def run(database: Database, sender: Postman, now: datetime) -> None:
    """One round of what the schedule does."""
    jobs: list[Callable[[], bool]] = [
        partial(give_notices, database, now),
        partial(deliveries.plan_mails, database, now),
        partial(deliveries.deliver_mail, database, sender, now),
    ]
    for job in jobs:
        while job():
            pass


def rows(database: Database) -> list[Row[Any]]:
    with database.snapshot() as tx:
        return list(tx.execute(select(outbox.deliveries).order_by(outbox.deliveries.c.created_at)))


def key_with(**values: Any) -> KeyInfo:
    return KeyInfo(**{**vars(KEY), **values})


def written(news: KeyNews, now: datetime) -> EmailMessage:
    """As it is read at the other end."""
    message = compose(news, "ada@example.org", "dlv_1", HEAD, now)
    return message_from_bytes(message.as_bytes(), EmailMessage, policy=policy.default)


def test_a_mail_about_an_end_says_which_key_when_and_what_to_do() -> None:
    moment = END - timedelta(days=14)
    mail = written(KeyNews(Kind.EXPIRING, moment, KEY), moment + timedelta(seconds=20))
    assert dict(mail.items()) == {
        "From": "Mixus <mixus@example.org>",
        "To": "ada@example.org",
        "Subject": "The key “nightly run” expires in 14 days",
        "Date": "Sun, 07 Feb 2027 10:00:20 +0000",
        "Message-ID": "<dlv_1@example.org>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
    }
    assert mail.get_content() == (
        "Hello,\n\n"
        "One of your API keys expires in 14 days.\n"
        "After that, every request with it is refused.\n\n"
        "  name       nightly run\n"
        "  key        mxs_eval_…1234\n"
        "  id         key_of_the_tests\n"
        "  scopes     eval:create, eval:read\n"
        "  expires    Sunday, 21 February 2027, 10:00 UTC\n"
        "  last used  Saturday, 6 February 2027, 10:00 UTC\n\n"
        "To go on without a break, rotate it at\n\n"
        "  https://mixus.example.org/integrations/api-keys/key_of_the_tests/rotate\n\n"
        "or on the server, with\n\n"
        "  mixus keys rotate key_of_the_tests --overlap 24h\n\n"
        "Old and new key both work for 24 hours, so that there is time\n"
        "to put the new one in its place. If nothing needs this key\n"
        "any more, there is nothing to do.\n\n"
        "-- \nmixus at https://mixus.example.org\n"
    )


def test_a_mail_after_the_end_points_to_a_new_key_and_says_nothing_of_a_use_that_is_not_known() -> None:
    mail = written(KeyNews(Kind.EXPIRED, END, key_with(last_used_at=None)), END)
    text = str(mail.get_content())
    assert mail["Subject"] == "The key “nightly run” has expired"
    assert "  expired    Sunday, 21 February 2027, 10:00 UTC\n" in text
    assert "  https://mixus.example.org/integrations/api-keys/new\n" in text
    assert "last used" not in text
    # An expired key cannot be rotated.
    assert "rotate" not in text


def test_a_mail_about_a_leak_says_when_it_was_reported_and_that_the_key_is_revoked() -> None:
    mail = written(KeyNews(Kind.LEAK_REPORTED, NOW, key_with(revoked_at=NOW)), NOW)
    assert mail["Subject"] == "The key “nightly run” was reported as leaked"
    assert "revoked at once and for ever" in mail.get_content()
    assert "  reported   Monday, 23 November 2026, 10:00 UTC\n" in mail.get_content()


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=14), "in 14 days"),
        (timedelta(days=7) - timedelta(minutes=1), "in 7 days"),
        (timedelta(days=1) - timedelta(minutes=1), "in 24 hours"),
        (timedelta(minutes=61), "in one hour"),
        (timedelta(minutes=1), "within the hour"),
    ],
)
def test_a_mail_counts_from_when_it_is_sent(left: timedelta, words: str) -> None:
    mail = written(KeyNews(Kind.EXPIRING, NOW, KEY), END - left)
    assert mail["Subject"] == f"The key “nightly run” expires {words}"


HOSTILE = (
    "a\r\nBcc: eve@example.org",
    "a\nSubject: b",
    "a\r\n\r\nbody",
    "=?utf-8?q?a=0D=0ABcc:_eve@example.org?=",
    "x =?utf-8?q?a=0D=0ABcc:_eve@example.org?= x",
    "=?utf-8?b?YQ0KQmNjOiBldmVAZXhhbXBsZS5vcmc=?= =?utf-8?q?=0D=0A=0D=0Ab?=",
    "{address} {key_id} %s",
    "\x00\x1b[31m\u2028\x85\u202e",
    "<script>alert(1)</script>",
)


def is_tame(name: str) -> None:
    for kind in Kind:
        wanted = written(KeyNews(kind, NOW, KEY), NOW)
        mail = written(KeyNews(kind, NOW, key_with(name=name)), NOW)
        assert mail.keys() == wanted.keys()
        assert str(mail["Subject"]).isprintable()
        assert [mail[header] for header in ("From", "To")] == [wanted[header] for header in ("From", "To")]
        assert len(str(mail.get_content()).splitlines()) == len(str(wanted.get_content()).splitlines())


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_forges_a_header_or_a_line(name: str) -> None:
    is_tame(name)


@given(
    st.lists(st.sampled_from([*"=?_ \r\nqQbBa:é", "utf-8", "=0D=0A", "?q?", "?=", "Bcc: e@x"])).map("".join)
)
def test_no_mixture_of_encoded_words_forges_a_header(name: str) -> None:
    is_tame(name[:80])


def test_a_key_has_four_mails_in_its_life_and_none_of_them_holds_a_secret(
    database: Database, secret: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with database.transaction() as tx:
        key_id = tx.execute(select(keys.c.id)).scalar_one()
        use = {"key_id": key_id, "accepted": 1, "refused": 0, "last_used_at": NOW}
        tx.execute(insert(key_use).values(**use))
    url = receiver.url(user=f"{smtp.NAME}:{smtp.ENCODED}@")
    for hours in range(0, 100 * 24, 24):
        run(database, postman_of(url), NOW + timedelta(hours=hours))
    assert [mail.message["Subject"] for mail in receiver.received] == [
        "The key “test” expires in 14 days",
        "The key “test” expires in 7 days",
        "The key “test” expires in 24 hours",
        "The key “test” has expired",
    ]
    assert {(mail.sender, mail.recipients) for mail in receiver.received} == {
        ("mixus@example.org", ("ada@example.org",))
    }
    assert len({mail.message_id for mail in receiver.received}) == 4
    assert "last used  Monday, 23 November 2026" in receiver.received[0].text
    everything = [*map(str, rows(database)), caplog.text, *(str(mail) for mail in receiver.received)]
    for text in (*everything, *(mail.message.as_string() for mail in receiver.received)):
        assert not any(word in text for word in (secret, secret[9:-4], smtp.PASSWORD, smtp.ENCODED))


def test_a_reported_leak_is_mailed_once(database: Database, secret: str, receiver: Receiver) -> None:
    with database.transaction() as tx:
        key_id = tx.execute(update(keys).values(revoked_at=NOW).returning(keys.c.id)).scalar_one()
        record(tx, "key.leak-reported", key_id, factories.NOBODY, NOW)
    for _ in range(3):
        run(database, postman_of(receiver.url()), NOW)
    assert [mail.message["Subject"] for mail in receiver.received] == [
        "The key “test” was reported as leaked"
    ]


def test_events_from_before_mail_was_set_up_are_no_news(
    database: Database, secret: str, receiver: Receiver
) -> None:
    give_notices(database, END)
    run(database, postman_of(receiver.url()), END + timedelta(days=1))
    assert rows(database) == []
    run(database, postman_of(receiver.url()), END + timedelta(hours=23))
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (keys, {"revoked_at": NOW}),
        (keys, {"disabled_at": NOW}),
        (keys, {"replaced_by": "key_successor"}),
        (keys, {"expires_at": NOW + timedelta(days=76)}),
        (accounts, {"disabled_at": NOW}),
    ],
)
def test_what_is_no_news_any_more_when_it_could_be_sent_is_not_sent(
    database: Database, secret: str, receiver: Receiver, table: Any, values: dict[str, Any]
) -> None:
    now = END - timedelta(days=14)
    give_notices(database, now)
    deliveries.plan_mails(database, now)
    with database.transaction() as tx:
        tx.execute(update(table).values(**values))
    assert deliveries.deliver_mail(database, postman_of(receiver.url()), now)
    assert not deliveries.deliver_mail(database, postman_of(receiver.url()), now + timedelta(days=2))
    assert receiver.received == []
    assert [(row.next_at, row.delivered_at, row.failure) for row in rows(database)] == [
        (None, None, deliveries.OBSOLETE)
    ]


@pytest.mark.parametrize("schedulers", [2, 4])
def test_any_number_of_schedulers_send_each_mail_once(
    database: Database, receiver: Receiver, schedulers: int
) -> None:
    people = [f"{number}@example.org" for number in range(8)]
    with database.transaction() as tx:
        for person in people:
            factories.create_key(tx, factories.create_account(tx, person), expires=END)
    barrier = threading.Barrier(schedulers)

    def compete() -> None:
        barrier.wait()
        run(database, postman_of(receiver.url()), END)

    with ThreadPoolExecutor(schedulers) as threads:
        for rival in [threads.submit(compete) for _ in range(schedulers)]:
            rival.result()
    # One that looked while another held the last row may have left nothing behind, and lost nothing.
    run(database, postman_of(receiver.url()), END)
    assert sorted(mail.recipients[0] for mail in receiver.received) == people
    assert {row.attempts for row in rows(database)} == {1}


def test_a_mail_server_that_was_down_gets_the_mail_later(database: Database, secret: str) -> None:
    with smtp.receiver(is_started=False) as down:
        run(database, postman_of(down.url()), END)
        [row] = rows(database)
        assert (row.attempts, row.failure) == (1, "mail server unreachable")
        assert row.next_at == END + timedelta(minutes=1)
        down.start()
        run(database, postman_of(down.url()), END + timedelta(seconds=59))
        assert down.received == []
        run(database, postman_of(down.url()), END + timedelta(seconds=60))
        [row] = rows(database)
        assert (row.attempts, row.failure, row.next_at) == (2, None, None)
        assert row.delivered_at == END + timedelta(seconds=60)
        assert [mail.message_id for mail in down.received] == [f"<{row.id}@example.org>"]


def test_a_mail_server_that_is_away_is_asked_once_per_round(database: Database) -> None:
    with database.transaction() as tx:
        for number in range(3):
            factories.create_key(tx, factories.create_account(tx, f"{number}@example.org"), expires=END)
    with smtp.receiver(is_started=False) as down:
        run(database, postman_of(down.url()), END)
    assert sorted(row.attempts for row in rows(database)) == [0, 0, 1]


def test_a_refused_recipient_is_noted_tried_again_and_given_up(
    database: Database, secret: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.refused = {"ada@example.org"}
    moment, pauses = END, []
    for _ in range(10):
        run(database, postman_of(receiver.url()), moment)
        [row] = rows(database)
        assert row.failure == "mail server refused the recipient (550)"
        if row.next_at is None:
            break
        pauses.append(row.next_at - moment)
        moment = row.next_at
    assert pauses == list(outbox.BACK_OFF)
    assert (row.attempts, row.delivered_at) == (6, None)
    # The server's own words quoted the password.
    assert smtp.PASSWORD not in caplog.text
    assert "at attempt 6: mail server refused the recipient (550)" in caplog.text


def test_a_refused_recipient_holds_up_no_other(database: Database, receiver: Receiver) -> None:
    receiver.refused = {"0@example.org"}
    with database.transaction() as tx:
        for number in range(3):
            factories.create_key(tx, factories.create_account(tx, f"{number}@example.org"), expires=END)
    run(database, postman_of(receiver.url()), END)
    assert sorted(mail.recipients[0] for mail in receiver.received) == ["1@example.org", "2@example.org"]


def test_a_process_that_dies_while_sending_loses_nothing(
    database: Database, secret: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dies(BaseException):
        pass

    def die(*_arguments: object) -> None:
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "arrived", die)
        with pytest.raises(Dies):
            run(database, postman_of(receiver.url()), END)
    # While its time runs nobody else sends it.
    run(database, postman_of(receiver.url()), END + outbox.LEASE - timedelta(seconds=1))
    assert len(receiver.received) == 1
    run(database, postman_of(receiver.url()), END + outbox.LEASE)
    assert len({mail.message_id for mail in receiver.received}) == 1
    assert [row.attempts for row in rows(database)] == [2]


def test_of_two_that_try_one_after_the_other_the_later_has_the_say(database: Database, secret: str) -> None:
    give_notices(database, END)
    deliveries.plan_mails(database, END)
    later = END + timedelta(hours=1)
    with database.transaction() as tx:
        slow = outbox.claim(tx, outbox.Channel.MAIL, END)
        quick = outbox.claim(tx, outbox.Channel.MAIL, later)
        assert slow is not None
        assert quick is not None
        outbox.arrived(tx, quick, later)
        outbox.failed(tx, slow, "mail server unreachable", later)
    [row] = rows(database)
    assert (row.delivered_at, row.failure, row.next_at) == (later, None, None)


def test_starttls_is_never_left_out(database: Database, secret: str, receiver: Receiver) -> None:
    run(database, postman_of(receiver.url("smtp+starttls", user=f"{smtp.NAME}:{smtp.ENCODED}@")), END)
    assert [row.failure for row in rows(database)] == ["mail server offers no STARTTLS"]
    assert receiver.received == []


def mail() -> EmailMessage:
    return compose(KeyNews(Kind.EXPIRED, NOW, KEY), "ada@example.org", "dlv_1", HEAD, NOW)


@pytest.mark.parametrize(
    ("scheme", "user", "reason", "code"),
    [
        ("smtps", "", Reason.TLS, None),
        ("smtp", f"{smtp.NAME}:wrong@", Reason.SIGN_IN, 535),
        ("smtp", f"{smtp.NAME}@", Reason.SIGN_IN, 535),
    ],
)
def test_a_server_that_does_not_fit_is_told_from_one_that_is_away(
    receiver: Receiver, scheme: str, user: str, reason: Reason, code: int | None
) -> None:
    refusal = postman_of(receiver.url(scheme, user)).send(mail(), "ada@example.org")
    assert refusal is not None
    assert (refusal.reason, refusal.code) == (reason, code)
    assert receiver.received == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the command openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    subject = ("-subj", "/CN=mixus tests", "-addext", "subjectAltName=IP:127.0.0.1")
    algorithm = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    files = ("-out", str(paths[0]), "-keyout", str(paths[1]))
    command = [openssl, "req", "-x509", *algorithm, *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    return paths


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_mail_goes_over_tls_to_a_server_that_is_known_and_to_no_other(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, scheme: str, *, is_trusted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with smtp.receiver(tls=context, is_tls_at_once=scheme == "smtps") as server:
        sender = postman_of(server.url(scheme, f"{smtp.NAME}:{smtp.ENCODED}@"))
        refusal = sender.send(mail(), "ada@example.org")
        assert [mail.is_encrypted for mail in server.received] == ([True] if is_trusted else [])
        assert (None if refusal is None else refusal.reason) == (None if is_trusted else Reason.TLS)


@pytest.mark.parametrize("missing", ["smtp_url", "mail_from", "public_url"])
def test_while_anything_is_missing_no_mail_is_planned_and_the_log_says_what(
    database: Database, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = {"smtp_url": "smtp://localhost", "mail_from": "a@example.org", "public_url": "https://a.example"}
    made = schedule(database, Settings.model_validate({**whole, missing: None}), SECRET)
    assert not [name for name in made.jobs if "mails" in name]
    assert caplog.messages == [f"no mail leaves: MIXUS_{missing.upper()} not set"]


def test_where_nobody_wants_mail_nothing_is_said_of_it(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    made = schedule(database, Settings(public_url="https://a.example"), SECRET)
    assert not [name for name in made.jobs if "mails" in name]
    assert caplog.messages == []


def test_a_job_that_fails_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def fail(_now: datetime) -> bool:
        raise OSError

    def work(_now: datetime) -> bool:
        done.append("work")
        return len(done) < 3

    Schedule({"failing": fail, "working": work}).run(threading.Event())
    assert done == ["work"] * 3
    assert "failing failed; trying again" in caplog.text


def test_no_job_goes_on_after_the_stop() -> None:
    stopping = threading.Event()

    def work(_now: datetime) -> bool:
        stopping.set()
        return True

    Schedule({"one": work, "other": work}).run(stopping)
    assert stopping.is_set()


@pytest.mark.parametrize(
    "url",
    [
        "smtp://mail.example.org",
        "smtp+starttls://mixus:secret@mail.example.org:587",
        "smtps://mail%40example.org:s%23cret@[::1]:465/",
        "smtp://müller.example",
    ],
)
def test_a_mail_server_that_can_be_is_taken(url: str) -> None:
    assert Settings.model_validate({"smtp_url": url}).smtp_url is not None


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://:25",
        "smtp://user:sec/ret@mail.example.org",
        "smtp://user:sec#ret@mail.example.org",
        "smtp://mail.example.org/path",
        "smtp://mail.example.org?sec=ret",
        "smtp://mail.example.org:0",
        "smtp://mail.example.org:70000",
        "smtp://user:sécret@mail.example.org",
        "smtp://user:s%C3%A9cret@mail.example.org",
        "smtp://[::1",
    ],
)
def test_a_mail_server_that_cannot_be_is_refused_and_its_password_not_shown(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"smtp_url": url})
    [error] = refused.value.errors()
    assert error["msg"].startswith("Value error, must be smtp://")
    assert not any(part in error["msg"] for part in ("sec", "ret", "sécret"))


@pytest.mark.parametrize(
    "sender", ["nobody", "a@example.org, b@example.org", "a@example.org\nBcc: b@example.org", "<>", "a@x@y"]
)
def test_a_sender_is_one_address(sender: str) -> None:
    with pytest.raises(ValidationError, match="must be one address"):
        Settings.model_validate({"mail_from": sender})


def test_notices_and_mails_speak_of_the_same_events() -> None:
    assert {notices.EXPIRING, notices.EXPIRED, "key.leak-reported"} == set(Kind)


def test_what_is_due_waits_for_no_long_row_of_mails() -> None:
    done: list[str] = []

    def job(name: str, pieces: int) -> Callable[[datetime], bool]:
        def act(_now: datetime) -> bool:
            done.append(name)
            return done.count(name) < pieces

        return act

    rounds = Schedule({"mails": job("mails", 3), "deadlines": job("deadlines", 1)}, timedelta())
    for _ in range(3):
        rounds.run(threading.Event())
    assert done == ["mails", "deadlines"] * 3
