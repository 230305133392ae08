"""What to paste where a new key is to be used; the key itself is never in it."""

from collections.abc import Collection
from typing import Final

from mixus.accounts.principal import Scope
from mixus.server.web.visits import Visit

EXPORT: Final = "read -rs MIXUS_API_KEY && export MIXUS_API_KEY"

_CREATE: Final = """\
curl -sS {address}/api/eval/create-task-agent \\
  -H "Authorization: Bearer $MIXUS_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"taskDescription": "Calculate 15% of $50,000", "model": "rehearsal"}}'"""
_LIST: Final = """\
curl -sS {address}/api/eval/executions \\
  -H "Authorization: Bearer $MIXUS_API_KEY\""""
_PYTHON: Final = """\
import os

from mixus import Client

with Client(os.environ["MIXUS_API_KEY"], "{address}") as client:
"""
_CREATE_IN_PYTHON: Final = """\
    task = "Calculate 15% of $50,000"
    created = client.create_task_agent(task, model="rehearsal")
    print(created.execution_id)"""
_WAIT_IN_PYTHON: Final = """\
    task = "Calculate 15% of $50,000"
    created = client.create_task_agent(task, model="rehearsal")
    print(client.wait(created.execution_id).status)"""
_LIST_IN_PYTHON: Final = """\
    for execution in client.executions():
        print(execution.execution_id, execution.status)"""


def address_of(visit: Visit) -> str:
    """Where clients reach this server, as far as is known."""
    return visit.services.settings.public_url or str(visit.request.base_url).rstrip("/")


def curl(address: str, scopes: Collection[Scope]) -> str:
    return (_CREATE if _may(scopes, Scope.CREATE) else _LIST).format(address=address)


def python(address: str, scopes: Collection[Scope]) -> str:
    begin = _PYTHON.format(address=address)
    if not _may(scopes, Scope.CREATE):
        return begin + _LIST_IN_PYTHON
    return begin + (_WAIT_IN_PYTHON if _may(scopes, Scope.READ) else _CREATE_IN_PYTHON)


def _may(scopes: Collection[Scope], scope: Scope) -> bool:
    return scope in scopes or Scope.MANAGE in scopes
