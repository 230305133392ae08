"""How a key, its use and its receipt are written, over the wire and by `--json`."""

from datetime import datetime, timedelta

from mixus.core.clock import NAIVE_EPOCH, shown
from mixus.keys.info import KeyInfo, shown_or_none
from mixus.keys.report import UsageReport
from mixus.server.answers import Document
from mixus.server.receipt import Receipt


def key_document(key: KeyInfo, now: datetime) -> Document:
    return {
        "id": key.id,
        "name": key.name,
        "description": key.description,
        "masked": key.masked,
        "scopes": [scope.value for scope in key.scopes],
        "allowLive": key.allow_live,
        "state": key.state(now).value,
        "createdAt": shown(key.created_at),
        "expiresAt": shown_or_none(key.expires_at),
        "disabledAt": shown_or_none(key.disabled_at),
        "revokedAt": shown_or_none(key.revoked_at),
        "revokeReason": key.revoke_reason,
        "lineageId": key.lineage_id,
        "replacedBy": key.replaced_by,
        "lastUsed": _last(key.last_used_at, key.last_used_network, key.last_used_agent),
        "lastRefused": _last(key.last_refused_at, key.last_refused_network, key.last_refused_agent),
        "requests": key.accepted,
        "refused": key.refused,
    }


def _last(at: datetime | None, network: str | None, agent: str | None) -> Document | None:
    return None if at is None else {"at": shown(at), "network": network, "agent": agent}


def receipt_document(receipt: Receipt, now: datetime) -> Document:
    executions = [
        {"executionId": row["id"], "taskName": row["task_name"], "status": row["status"].value}
        for row in receipt.executions
    ]
    return {
        **key_document(receipt.key, now),
        "effectiveAt": shown(receipt.effective_at),
        "openStreams": receipt.open_streams,
        "executions": executions,
        "executionsCancelled": receipt.are_cancelled,
    }


def usage_document(key: KeyInfo, report: UsageReport, now: datetime) -> Document:
    return {
        **key_document(key, now),
        "days": [
            {"day": day_shown(each.day), "requests": each.accepted, "refused": each.refused}
            for each in report.days
        ],
        "older": {"requests": report.older.accepted, "refused": report.older.refused},
        "routes": [
            {
                "route": each.route,
                "status": each.status,
                "refusal": each.refusal or None,
                "scope": each.scope,
                "count": each.count,
            }
            for each in report.routes
        ],
        "unusedScopes": [scope.value for scope in report.unused_scopes],
        "openStreams": report.open_streams,
    }


def day_shown(day: int) -> str:
    """The day in UTC: `2026-11-23`."""
    return (NAIVE_EPOCH + timedelta(days=day)).date().isoformat()
