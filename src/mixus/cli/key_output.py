"""How `mixus keys` shows keys, receipts and counts."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mixus.cli.terminal import line
from mixus.core.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mixus.keys.info import KeyInfo
    from mixus.server.receipt import Receipt


def print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_secret(secret: str, key: "KeyInfo") -> None:
    """The key alone on standard output; what a person is told on standard error.

    Before the commit, so that a key that cannot be shown is not made.
    """
    try:
        print(secret, file=_standard_output(), flush=True)
    except OSError as error:
        _give_up_output()
        raise Misconfigured(f"No key was made: it cannot be written to standard output ({error}).") from None
    ends = "without an end" if key.expires_at is None else f"valid until {said(key.expires_at)}"
    print(
        f"Made the key {key.id} of {key.owner_email}, {ends}. "
        "It is shown only now: keep it where secrets are kept.",
        file=sys.stderr,
    )


def _standard_output() -> TextIO:
    """Closed by the caller it is none at all, and printing would be silent."""
    if sys.stdout is None:
        raise Misconfigured("No key was made: standard output is closed, and it is shown nowhere else.")
    return sys.stdout


def _give_up_output() -> None:
    """What is still buffered would fail once more when the process ends, and hide the reason."""
    with Path(os.devnull).open("w") as nowhere, suppress(OSError):
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def print_keys(keys: "Sequence[KeyInfo]", now: "datetime") -> None:
    for key in keys:
        scopes = ",".join(key.scopes)
        used = f"used {said(key.last_used_at)}" if key.last_used_at else "never used"
        ends = said(key.expires_at) or "endless"
        print(
            f"{key.id}  {key.masked}  {key.state(now):<8}  {ends:<24}  {scopes}  "
            f"{key.owner_email}  {key.name}  ({used})"
        )
    if not keys:
        print("There are no keys yet; make one with `mixus keys create`.", file=sys.stderr)


def print_receipt(receipt: "Receipt") -> None:
    key = receipt.key
    print(f"Revoked the key {key.id} ({key.name}) of {key.owner_email}.", file=sys.stderr)
    print(f"  in force since   {said(receipt.effective_at)}", file=sys.stderr)
    last = f"{said(key.last_used_at)} from {key.last_used_network}" if key.last_used_at else "never"
    print(f"  last accepted    {last}", file=sys.stderr)
    streams = f"{receipt.open_streams}, which end within 15 s" if receipt.open_streams else "none"
    print(f"  open streams     {streams}", file=sys.stderr)
    if key.replaced_by is not None:
        print(f"  its successor    {key.replaced_by}, which this did not touch", file=sys.stderr)
    verb = "cancelled" if receipt.are_cancelled else "going on"
    executions = f"{len(receipt.executions)} {verb}" if receipt.executions else "none unfinished"
    print(f"  its executions   {executions}", file=sys.stderr)
    for row in receipt.executions:
        print(f"    {row['id']}  {row['status']}  {line(row['task_name'])}", file=sys.stderr)


def print_usage(document: dict[str, Any]) -> None:
    print(f"{document['id']}  {document['masked']}  {document['state']}  {document['name']}")
    print(f"  requests  {document['requests']}, refused {document['refused']}")
    last = document["lastUsed"]
    print(f"  last used {'never' if last is None else _last_use(last)}")
    if document["unusedScopes"]:
        print(f"  not needed for 30 days: {', '.join(document['unusedScopes'])}")
    for day in document["days"]:
        print(f"  {day['day']}  {day['requests']:>8}  refused {day['refused']}")
    older = document["older"]
    if older["requests"] or older["refused"]:
        print(f"  before      {older['requests']:>8}  refused {older['refused']}")
    for route in document["routes"]:
        outcome = route["refusal"] or route["status"]
        print(f"  {route['count']:>8}  {outcome}  {route['route'] or '(refused before any route)'}")
    if not document["isBalanced"]:
        print("  These counts do not add up to the totals; please report it.", file=sys.stderr)


def _last_use(last: dict[str, Any]) -> str:
    network, agent = last["network"] or "an unknown network", last["agent"] or "an unnamed program"
    return f"{last['at']} from {network} by {agent}"


def key_json(key: "KeyInfo", now: "datetime") -> dict[str, Any]:
    return {
        "id": key.id,
        "key": key.masked,
        "state": key.state(now),
        "owner": key.owner_email,
        "name": key.name,
        "description": key.description,
        "scopes": key.scopes,
        "allowLive": key.allow_live,
        "createdAt": said(key.created_at),
        "expiresAt": said(key.expires_at),
        "disabledAt": said(key.disabled_at),
        "revokedAt": said(key.revoked_at),
        "revokedBy": key.revoked_by,
        "revokeReason": key.revoke_reason,
        "replacedBy": key.replaced_by,
        "lastUsedAt": said(key.last_used_at),
        "requests": key.accepted,
        "refused": key.refused,
    }


def said(moment: "datetime | None") -> str | None:
    from mixus.core.clock import shown

    return None if moment is None else shown(moment)
