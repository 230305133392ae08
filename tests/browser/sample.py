"""A small team at work: every state that a page may have to show, made by the API and by a real worker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browser.site import Site
from sqlalchemy import insert, update

from mixus.accounts import links
from mixus.accounts.principal import Role, Scope
from mixus.accounts.service import Account
from mixus.client import Client, Status
from mixus.client.answers import Decision
from mixus.core.clock import EPOCH, utc_now
from mixus.core.events import Actor
from mixus.evals import review_links
from mixus.keys.tables import key_usage, key_use

# Their names, and what they are; Dan has done nothing yet.
TEAM = {"ada": Role.ADMIN, "bob": Role.MEMBER, "vera": Role.VIEWER, "dan": Role.MEMBER}
COMMISSION: dict[str, Any] = {
    "task_description": "Calculate 15% of $50,000 and send the result to sales@example.org",
    "task_name": "Quarterly commission",
    "checkpoints": [
        {
            "stage": "calculation",
            "description": "The commission before anyone is told",
            "verification_question": "Is the commission $7,500?",
        }
    ],
    "expected_outcome": {"type": "number", "value": 7500},
    "metadata": {"team": "sales", "quarter": "Q3"},
}
REFUND: dict[str, Any] = {
    "task_description": "Tell the customer about the refund",
    "task_name": "Refund notice to a customer",
    "model": "script",
    "script": [
        {
            "tool": "send_email",
            "arguments": {
                "to": ["customer@example.org"],
                "subject": "Your refund of $120.00",
                "body": "Dear customer,\n\nwe have refunded $120.00 to your card. It arrives within "
                "five days.\n\nKind regards,\nThe team",
            },
        },
        {"final": "The customer was told."},
    ],
}
PRICES: dict[str, Any] = {
    "task_description": "Raise the price of the yearly plan to $120",
    "task_name": "New price of the yearly plan",
    "model": "script",
    "environment": "live",
    "script": [
        {
            "tool": "write_file",
            "arguments": {"path": "prices.txt", "content": "monthly: $12\nyearly: $120\nteam: on request\n"},
        },
        {"final": "The yearly plan costs $120."},
    ],
}
SUMS: dict[str, Any] = {
    "task_description": "Add up the figures of each month",
    "model": "script",
    "max_steps": 2,
    "script": [{"tool": "calculate", "arguments": {"expression": f"{month} * 100"}} for month in range(1, 4)],
}
FILES = {"prices.txt": "monthly: $12\nyearly: $100\nteam: on request\n"}


@dataclass(frozen=True)
class Sample:
    """`places` fill the addresses of pages: `/eval/{done}`."""

    people: dict[str, Account]
    places: dict[str, str]


def settings(folder: Path) -> dict[str, str]:
    """Of a server whose agents have files, which they may really change."""
    files = folder / "files"
    files.mkdir()
    for name, text in FILES.items():
        (files / name).write_text(text)
    return {
        "MIXUS_FILES": str(files),
        "MIXUS_LIVE_TOOLS": "write_file",
        "MIXUS_SUPPORT_CONTACT": "help@example.org",
    }


def make(site: Site) -> Sample:
    people = {name: site.account(f"{name}@example.org", role) for name, role in TEAM.items()}
    ada = people["ada"]
    client, bobs = site.client(ada), site.client(people["bob"])
    laptop = Client(site.key(ada, name="laptop"), site.address)
    site.clients.append(laptop)
    key = laptop.key().id
    _used(site, key)
    places = {"invitation": _invited(site, ada), "key": key}
    places |= _ended(client) | _waiting(client, bobs)
    secret = site.pepper.hash("review-links")
    places["signature"] = review_links.signature(secret, places["refund_chk"], ada.email)
    return Sample(people, places)


def _used(site: Site, key: str) -> None:
    """By a build that runs on each working day, more and more often."""
    today = (utc_now() - EPOCH).days
    rows = [
        {
            "key_id": key,
            "day": today - back,
            "route": "GET /api/eval/status/{executionId}",
            "status": 200,
            "refusal": "",
            "scope": Scope.READ,
            "count": 60 - back // 2 + back * 7 % 13,
        }
        for back in range(1, 80)
        if back % 7 > 1
    ]
    total = sum(int(str(row["count"])) for row in rows)
    counts = {"accepted": key_use.c.accepted + total}
    with site.database.transaction() as tx:
        tx.execute(insert(key_usage), rows)
        # The server adds its own, a second later, to what is there.
        if not tx.execute(update(key_use).where(key_use.c.key_id == key).values(counts)).rowcount:
            tx.execute(insert(key_use).values(key_id=key, accepted=total, refused=0))


def _invited(site: Site, by: Account) -> str:
    actor = Actor(by.id, "127.0.0.0/24", "ses_of_the_sample")
    with site.database.transaction() as tx:
        return links.invite(tx, "cleo@example.org", Role.MEMBER, actor, utc_now())[0]


def _ended(client: Client) -> dict[str, str]:
    done = client.create_task_agent(**COMMISSION).execution_id
    decide(client, done, "hint", hint="Round to whole dollars.")
    decide(client, done, "approve", comment="Checked against the contract.")
    rejected = client.create_task_agent(**COMMISSION).execution_id
    decide(client, rejected, "reject", comment="The recipient is wrong.")
    baseline = client.create_task_agent(
        "Research the top three competitors", test_mode="without-verification"
    ).execution_id
    failed = client.create_task_agent(**SUMS).execution_id
    for execution in (done, baseline, failed):
        client.wait(execution, until="final", timeout_seconds=60)
    decided = client.status(rejected).checkpoints[0].checkpoint_id
    return {
        "done": done,
        "rejected": rejected,
        "baseline": baseline,
        "failed": failed,
        "decided": decided,
    }


def _waiting(client: Client, bobs: Client) -> dict[str, str]:
    asked = {
        "commission": client.create_task_agent(**COMMISSION).execution_id,
        "refund": client.create_task_agent(**REFUND).execution_id,
        "prices": client.create_task_agent(**PRICES).execution_id,
        "of_bob": bobs.create_task_agent(**COMMISSION).execution_id,
    }
    checkpoints = {f"{name}_chk": awaiting(client, execution) for name, execution in asked.items()}
    return asked | checkpoints


def awaiting(client: Client, execution: str) -> str:
    return _asked(client, execution)[1]


def decide(client: Client, execution: str, action: Decision, **fields: Any) -> None:
    status, checkpoint = _asked(client, execution)
    attempt = next(each.attempt for each in status.checkpoints if each.checkpoint_id == checkpoint)
    client.decide(execution, checkpoint, action, attempt=attempt, **fields)


def _asked(client: Client, execution: str) -> tuple[Status, str]:
    status = client.wait(execution, until="checkpoint", timeout_seconds=60)
    assert status.status == "awaiting-verification", status.raw
    return status, next(each.checkpoint_id for each in status.checkpoints if each.status == "awaiting")
