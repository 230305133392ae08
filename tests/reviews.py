"""Executions that wait for a reviewer, made as a worker makes them, for tests of what follows."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import factories
from factories import NOW
from sqlalchemy import select

from mixus.accounts import service as accounts
from mixus.accounts.principal import Principal
from mixus.core.database import Database, Row, Transaction
from mixus.core.ids import new_id
from mixus.evals import decide, progress, service
from mixus.evals.lifecycle import Decision, Source
from mixus.evals.progress import Leg, Pause
from mixus.evals.tables import checkpoints, executions
from mixus.evals.tasks import NewCheckpoint, NewTask, Verdict

SECRET = b"secret of the tests, which signs links"
ASKED = NewCheckpoint("calculation", "Check the number.", "Is the result $7,500?")
MAIL = {
    "actionId": "act_1",
    "tool": "send_email",
    "effect": "send",
    "arguments": {"to": "pay@example.org", "subject": "Result", "body": "Hello,\nit is $7,500."},
}


@dataclass(frozen=True)
class Waiting:
    """An execution of ada's whose checkpoint is awaited."""

    database: Database
    execution_id: str
    checkpoint_id: str

    @property
    def execution(self) -> Row:
        with self.database.snapshot() as tx:
            return execution_of(tx, self.execution_id)

    @property
    def checkpoint(self) -> Row:
        statement = select(checkpoints).where(checkpoints.c.id == self.checkpoint_id)
        with self.database.snapshot() as tx:
            return tx.execute(statement).mappings().one()

    def decide(self, principal: Principal, action: Decision, now: datetime, attempt: int = 1) -> Row:
        hint = "use 12 %" if action is Decision.HINT else None
        with self.database.transaction() as tx:
            verdict = Verdict(attempt, action, hint)
            return decide.decide(tx, principal, self.execution_id, self.checkpoint_id, verdict, now)

    def ask_again(self, now: datetime) -> None:
        pause(self.database, self.execution_id, self.checkpoint_id, now)


def execution_of(tx: Transaction, execution_id: str) -> Row:
    return tx.execute(select(executions).where(executions.c.id == execution_id)).mappings().one()


def person(database: Database, email: str, **fields: Any) -> Principal:
    """By a key; made where there is no such account yet."""
    with database.transaction() as tx:
        account = accounts.find_by_email(tx, email) or factories.create_account(tx, email)
    return replace(factories.principal(account), may_go_live=True, **fields)


def waiting(database: Database, reviewer: str, now: datetime = NOW, **fields: Any) -> Waiting:
    """Ada asks for it, and `reviewer` is awaited; he has no account unless a test makes one."""
    name = fields.pop("name", "Commission")
    spec = fields.pop("spec", ASKED)
    shown = {each: fields.pop(each) for each in ("work", "actions") if each in fields}
    task = NewTask(
        "Calculate 15 % of 50,000",
        name,
        "rehearsal",
        checkpoints=[spec],
        assigned_reviewer=reviewer,
        **fields,
    )
    ada = person(database, "ada@example.org")
    with database.transaction() as tx:
        execution_id = service.create_task(tx, ada, task, now)["id"]
        found = select(checkpoints.c.id).where(checkpoints.c.execution_id == execution_id)
        checkpoint_id = tx.execute(found).scalar_one()
    pause(database, execution_id, checkpoint_id, now, spec=spec, **shown)
    return Waiting(database, execution_id, checkpoint_id)


def pause(database: Database, execution_id: str, checkpoint_id: str, now: datetime, **shown: Any) -> None:
    """`shown` is what the reviewer sees: `spec`, `work`, `actions`."""
    seen = {"spec": ASKED, "work": "15 % of 50,000 = 7,500", "actions": [MAIL], **shown}
    with database.transaction() as tx:
        leg = Leg(execution_id, execution_of(tx, execution_id)["seq"], new_id("wrk"))
        progress.claim(tx, leg, now)
        ask = Pause(checkpoint_id, is_new=False, source=Source.MANUAL, digests={}, **seen)
        progress.pause(tx, leg, ask, now)
