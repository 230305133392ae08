"""The audit: each act once, with who, when, from where, before and after; and it only grows."""

from datetime import timedelta
from typing import Any

import pytest
from api.factories import Reference
from api.people import Browser, People
from fastapi import FastAPI
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from mixus.accounts.principal import Role
from mixus.core import audit
from mixus.core.audit import Filters
from mixus.core.clock import shown, utc_now
from mixus.core.database import Database
from mixus.core.events import Actor, events, record
from mixus.core.ids import new_id


@pytest.fixture
def people(app: FastAPI, http: TestClient, database: Database, reference: Reference) -> People:
    return People(app, database, reference, http)


@pytest.fixture
def admin(people: People) -> Browser:
    return people.signed_in("admin@example.org", Role.ADMIN)


def listed(admin: Browser, **params: Any) -> list[dict[str, Any]]:
    response = admin("GET", "/api/audit", params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def test_every_act_is_one_event(admin: Browser, people: People) -> None:
    bob = people.signed_in("bob@example.org")
    place = f"/api/users/{bob.account.id}"
    seen = {event["id"] for event in listed(admin)}
    acts: list[tuple[Any, list[str]]] = [
        (lambda: bob.sign_in("a wrong walk by the sea"), ["session.refused"]),
        (bob.sign_in, ["session.opened"]),
        (lambda: admin("PATCH", place, json={"role": "viewer"}), ["account.role-changed"]),
        (lambda: admin("PATCH", place, json={"role": "viewer"}), []),
        (lambda: admin("POST", f"{place}/password-link"), ["link.created"]),
        (lambda: admin("POST", f"{place}/sign-out"), ["account.signed-out"]),
        (lambda: admin("PATCH", place, json={"isDisabled": True}), ["account.disabled"]),
        (lambda: admin("PATCH", place, json={"isDisabled": True}), []),
        (lambda: admin("PATCH", place, json={"isDisabled": False}), ["account.enabled"]),
        (
            lambda: admin("POST", "/api/users", json={"email": "eve@example.org", "role": "member"}),
            ["account.invited"],
        ),
        (lambda: admin("PATCH", f"/api/users/{admin.account.id}", json={"role": "member"}), []),
    ]
    for act, kinds in acts:
        act()
        new = [event for event in listed(admin) if event["id"] not in seen]
        assert [event["kind"] for event in new] == kinds
        seen |= {event["id"] for event in new}


def test_an_event_says_who_when_from_where_before_and_after(admin: Browser, people: People) -> None:
    bob = people.signed_in("bob@example.org")
    before = shown(utc_now())
    admin("PATCH", f"/api/users/{bob.account.id}", json={"role": "viewer"})
    (event,) = listed(admin, kind="account.role-changed")
    assert before <= event.pop("at") <= shown(utc_now())
    assert event.pop("id").startswith("evt_")
    assert event == {
        "kind": "account.role-changed",
        "subjectId": bob.account.id,
        "actorId": admin.account.id,
        "actorEmail": "admin@example.org",
        "credentialId": admin.session_id,
        "network": "192.0.2.0/24",
        "data": {"before": {"role": "member"}, "after": {"role": "viewer"}},
    }


def test_the_audit_is_read_newest_first_in_pages(admin: Browser, database: Database) -> None:
    now = utc_now()
    with database.transaction() as tx:
        for number in range(7):
            # Some at the same moment: the id decides.
            at = now + timedelta(seconds=number // 2)
            record(tx, "test.made", f"obj_{number}", Actor(None), at)
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {"kind": "test.made", "limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = admin("GET", "/api/audit", params=params).json()
        found += answer["items"]
        cursor = answer["nextCursor"]
        if cursor is None:
            break
    assert len({event["id"] for event in found}) == 7
    times = [event["at"] for event in found]
    assert times == sorted(times, reverse=True)


def test_the_audit_is_filtered(admin: Browser, people: People, database: Database) -> None:
    now = utc_now() + timedelta(hours=1)
    with database.transaction() as tx:
        record(tx, "test.made", "obj_1", Actor(admin.account.id), now)
        record(tx, "test.made", "obj_2", Actor(None), now + timedelta(seconds=1))
        record(tx, "test.lost", "obj_1", Actor("usr_gone"), now + timedelta(seconds=2))

    def subjects(**params: Any) -> list[str]:
        return [f"{event['kind']} {event['subjectId']}" for event in listed(admin, **params)]

    assert subjects(kind="test.made") == ["test.made obj_2", "test.made obj_1"]
    assert subjects(subjectId="obj_1") == ["test.lost obj_1", "test.made obj_1"]
    assert subjects(actorId="usr_gone") == ["test.lost obj_1"]
    assert subjects(kind="test.made", actorId=admin.account.id) == ["test.made obj_1"]
    moment = shown(now + timedelta(seconds=1))
    assert subjects(**{"from": moment}) == ["test.lost obj_1", "test.made obj_2"]
    assert subjects(to=moment, kind="test.made") == ["test.made obj_1"]
    assert subjects(kind="test") == []
    (gone,) = listed(admin, actorId="usr_gone")
    assert gone["actorEmail"] is None


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"kind": ""}, "kind"),
        ({"kind": "x" * 65}, "kind"),
        ({"subjectId": "\0"}, "subjectId"),
        ({"from": "yesterday"}, "from"),
        ({"since": "2026-01-01T00:00:00Z"}, "since"),
    ],
)
def test_a_question_that_is_not_valid_is_refused(admin: Browser, params: dict[str, Any], field: str) -> None:
    response = admin("GET", "/api/audit", params=params)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, field)


def test_an_event_is_neither_changed_nor_deleted(database: Database) -> None:
    now = utc_now()
    with database.transaction() as tx:
        record(tx, "test.made", "obj_1", Actor(None), now)
    statements: list[Any] = [update(events).values(kind="test.unmade"), delete(events)]
    for statement in statements:
        with pytest.raises(DBAPIError, match="the audit only grows"), database.transaction() as tx:
            tx.execute(statement)
    if database.is_sqlite:
        replacing = "insert or replace into events select * from events"
        with pytest.raises(DBAPIError, match="the audit only grows"), database.transaction() as tx:
            tx.connection.exec_driver_sql(replacing)
    else:
        with pytest.raises(DBAPIError, match="the audit only grows"), database.transaction() as tx:
            tx.connection.exec_driver_sql("truncate events cascade")
    with database.snapshot() as tx:
        assert [row["kind"] for row in audit.list_events(tx, Filters(), 10).items] == ["test.made"]


def test_all_events_come_in_order_however_many(database: Database) -> None:
    now = utc_now()
    nothing: dict[str, Any] = {"actor_id": None, "credential_id": None, "network": None, "data": {}}
    with database.transaction() as tx:
        rows = [
            {
                "id": new_id("evt"),
                "kind": "test.made",
                "subject_id": "obj_1",
                "at": now + timedelta(milliseconds=-number),
                **nothing,
            }
            for number in range(2500)
        ]
        tx.execute(insert(events), rows)
    with database.snapshot() as tx:
        found = [row["id"] for row in audit.all_events(tx, Filters(kind="test.made"))]
        assert list(audit.all_events(tx, Filters(kind="test.lost"))) == []
    assert found == [row["id"] for row in reversed(rows)]
