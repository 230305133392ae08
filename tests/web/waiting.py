"""Checkpoints that wait, with whatever an agent may have written into them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api.factories import Caller, Team
from httpx2 import Response
from sqlalchemy import select, update
from web.windows import House, Window

from mixus.accounts.principal import Role, Scope
from mixus.core.clock import utc_now
from mixus.core.database import Database, Row
from mixus.core.ids import new_id
from mixus.evals import progress
from mixus.evals.lifecycle import Source
from mixus.evals.progress import Leg, Pause
from mixus.evals.tables import checkpoints, executions
from mixus.evals.tasks import NewCheckpoint

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202egpj.exe'
MAIL: dict[str, Any] = {
    "to": ["cy@example.org"],
    "cc": [],
    "subject": "Your refund",
    "body": "Dear customer,\n\nit is $120.",
}
QUESTION = "Is the result $7,500?"


def action(
    tool: str = "send_email", effect: str = "send", place: int = 1, /, **arguments: Any
) -> dict[str, Any]:
    return {
        "actionId": f"act_{place}",
        "tool": tool,
        "effect": effect,
        "arguments": arguments or dict(MAIL),
    }


@dataclass(frozen=True)
class Waiting:
    """A checkpoint of ada's execution that waits."""

    database: Database
    execution_id: str
    id: str

    @property
    def path(self) -> str:
        return f"/review/{self.id}"

    def at(self, attempt: int = 1) -> str:
        return f"{self.path}?attempt={attempt}"

    def row(self) -> Row:
        with self.database.snapshot() as tx:
            return tx.execute(select(checkpoints).where(checkpoints.c.id == self.id)).mappings().one()

    def execution(self) -> Row:
        with self.database.snapshot() as tx:
            wanted = select(executions).where(executions.c.id == self.execution_id)
            return tx.execute(wanted).mappings().one()

    def change(self, **values: Any) -> None:
        with self.database.transaction() as tx:
            tx.execute(update(checkpoints).where(checkpoints.c.id == self.id).values(**values))

    def change_execution(self, **values: Any) -> None:
        with self.database.transaction() as tx:
            tx.execute(update(executions).where(executions.c.id == self.execution_id).values(**values))


class Desks:
    """Ada's key makes executions, and bob is asked."""

    def __init__(self, house: House, team: Team, database: Database) -> None:
        self.house = house
        self.database = database
        self.ada = house.account("ada@example.org")
        self.key: Caller = team.with_key(self.ada, [Scope.MANAGE])
        self.bob = self.signed_in("bob@example.org")

    def signed_in(self, email: str, role: Role = Role.MEMBER) -> Window:
        return self.house.signed_in(email, role)

    def of_ada(self) -> Window:
        window = self.house.window(self.ada)
        assert window.sign_in().status_code == 200
        return window

    def waiting(
        self,
        actions: Sequence[Mapping[str, Any]] | None = None,
        *,
        question: str = QUESTION,
        work: str = "15 % of 50,000 = 7,500",
        source: Source = Source.MANUAL,
        **task: Any,
    ) -> Waiting:
        asked = {"stage": "calculation", "description": "Check the number.", "verificationQuestion": question}
        made = self.key.create(**{"assignedReviewer": "bob@example.org", "checkpoints": [asked], **task})
        checkpoint_id = self.key.status(made)["checkpoints"][0]["checkpointId"]
        found = Waiting(self.database, made, checkpoint_id)
        self.ask(found, [action()] if actions is None else actions, work, source)
        return found

    def ask(
        self,
        waiting: Waiting,
        actions: Sequence[Mapping[str, Any]],
        work: str = "",
        source: Source = Source.MANUAL,
    ) -> None:
        """As a worker does, the first time or again."""
        row, before = waiting.execution(), waiting.row()
        leg = Leg(waiting.execution_id, row["seq"], new_id("wrk"))
        words = NewCheckpoint(before["stage"], before["description"], before["verification_question"])
        pause = Pause(
            waiting.id, is_new=False, source=source, spec=words, work=work, actions=actions, digests={}
        )
        with self.database.transaction() as tx:
            progress.claim(tx, leg, utc_now())
            progress.pause(tx, leg, pause, utc_now())


def overdue(waiting: Waiting, now: datetime | None = None) -> None:
    waiting.change(due_at=(now or utc_now()) - timedelta(hours=1))


def opened(window: Window, path: str) -> Response:
    """The page, wherever it truly is."""
    answer = window.get(path)
    while answer.status_code == 303:
        answer = window.get(answer.headers["location"])
    assert answer.status_code == 200, answer.text
    return answer


def sections(text: str, *marks: str) -> list[int]:
    """Where each of these stands in a page, all of which must be there."""
    places = [text.find(mark) for mark in marks]
    assert -1 not in places, [mark for mark, place in zip(marks, places, strict=True) if place < 0]
    return places
