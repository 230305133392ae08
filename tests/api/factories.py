"""A team and its executions for tests of the API, and a caller who holds every answer to the reference."""

import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from catcher import KEY
from factories import NOBODY, PEPPER, create_account, create_key
from httpx2 import Response
from starlette.testclient import TestClient

from mixus.accounts.principal import Role, Scope
from mixus.accounts.service import Account
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.ids import new_id
from mixus.evals import progress
from mixus.evals.lifecycle import Source
from mixus.evals.progress import Leg, Pause
from mixus.evals.tasks import NewCheckpoint
from mixus.keys import service as keys
from mixus.keys.service import NewKey

TASK = {
    "taskDescription": "Calculate 15 % of 50,000 and send the result to bob@example.org",
    "checkpoints": [
        {
            "stage": "calculation",
            "description": "Check the number.",
            "verificationQuestion": "Is the result $7,500?",
        }
    ],
}
MAIL = {"actionId": "act_1", "tool": "send_email", "effect": "send", "arguments": {"to": "bob@example.org"}}


class Reference:
    """What /openapi.json promises."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._validators: dict[str, Any] = {}

    def hold(self, response: Response) -> None:
        """Fail when this answer is none that the reference allows."""
        assert response.is_success or KEY.search(response.text) is None, "a refusal holds a key"
        operation = self.operation(response.request.method, response.request.url.path)
        if operation is None:
            return
        documented = operation["responses"].get(str(response.status_code))
        assert documented is not None, f"{response.status_code} is not documented: {response.text}"
        content = documented.get("content", {})
        if not content:
            assert response.content == b""
            return
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in content
        if media_type.endswith("json"):
            self._validator(content[media_type]["schema"]["$ref"]).validate(response.json())

    def _validator(self, reference: str) -> Any:
        if reference not in self._validators:
            schema = {"$ref": reference, "components": self.document["components"]}
            self._validators[reference] = jsonschema_rs.validator_for(schema)
        return self._validators[reference]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        for template, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        return None


@dataclass(frozen=True)
class Caller:
    """A person with one key."""

    http: TestClient
    reference: Reference
    account: Account
    key: str
    key_id: str

    def __call__(self, method: str, path: str, **options: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        response = self.http.request(method, path, headers=headers, **options)
        self.reference.hold(response)
        return response

    def create(self, **fields: Any) -> str:
        response = self("POST", "/api/eval/create-task-agent", json={**TASK, **fields})
        assert response.status_code == 201, response.text
        return str(response.json()["executionId"])

    def status(self, execution_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self("GET", f"/api/eval/status/{execution_id}").json()
        return document

    def decide(self, execution_id: str, checkpoint_id: str, **fields: Any) -> Response:
        path = f"/api/eval/executions/{execution_id}/checkpoints/{checkpoint_id}/decision"
        return self("POST", path, json={"attempt": 1, "action": "approve", **fields})


class Team:
    def __init__(self, http: TestClient, database: Database, reference: Reference) -> None:
        self.http = http
        self.database = database
        self.reference = reference

    def person(
        self, email: str, scopes: Collection[Scope] = (Scope.MANAGE,), role: Role = Role.MEMBER
    ) -> Caller:
        with self.database.transaction() as tx:
            account = create_account(tx, email, role)
        return self.with_key(account, scopes)

    def with_key(self, account: Account, scopes: Collection[Scope]) -> Caller:
        with self.database.transaction() as tx:
            secret, info = create_key(tx, account, scopes, now=utc_now())
        return Caller(self.http, self.reference, account, secret, info.id)

    def trusted(self, account: Account) -> Caller:
        """With a key that may start what is real."""
        new = NewKey(account.id, "live", [Scope.MANAGE], allow_live=True)
        with self.database.transaction() as tx:
            secret, info = keys.create(tx, PEPPER, new, NOBODY, utc_now())
        return Caller(self.http, self.reference, account, secret, info.id)

    def pause(self, execution_id: str, checkpoint_id: str) -> None:
        """What a worker does when it comes to a checkpoint."""
        leg = self._leg(execution_id)
        ask = Pause(
            checkpoint_id,
            is_new=False,
            source=Source.MANUAL,
            spec=_ANY,
            work="15 % of 50,000 = 7,500",
            actions=[MAIL],
            digests={},
        )
        with self.database.transaction() as tx:
            progress.claim(tx, leg, utc_now())
            progress.pause(tx, leg, ask, utc_now())

    def complete(self, execution_id: str, answer: str = "Done.") -> None:
        leg = self._leg(execution_id)
        with self.database.transaction() as tx:
            progress.claim(tx, leg, utc_now())
            progress.complete(tx, leg, answer, utc_now())

    def _leg(self, execution_id: str) -> Leg:
        with self.database.engine.connect() as connection:
            row = connection.exec_driver_sql(
                f"select seq from executions where id = '{execution_id}'"  # noqa: S608 - an id of ours
            ).one()
        return Leg(execution_id, row.seq, new_id("wrk"))


_ANY = NewCheckpoint("calculation", "Check the number.")


def until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread, up to ten seconds."""
    pause = threading.Event()
    for _ in range(1000):
        if is_so():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to that")
