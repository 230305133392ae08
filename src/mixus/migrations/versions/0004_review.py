"""Deadlines of reviewers and who is asked next; when one was told, looked and worked; mails that share one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.BigInteger()
COLUMNS = {
    "executions": {
        "review_timeout_ms": sa.BigInteger(),
        "escalate_to": sa.String(length=254),
        "on_review_timeout": sa.String(length=32),
        "escalated_at": INSTANT,
    },
    "checkpoints": {
        "due_at": INSTANT,
        "notified_at": INSTANT,
        "first_viewed_at": INSTANT,
        "active_review_ms": sa.BigInteger(),
    },
    "deliveries": {"carried_by": sa.String(length=32)},
}
INDEXES = {
    "ix_checkpoints_due_at": ("checkpoints", ["due_at"]),
    "ix_executions_created_at_id": ("executions", ["created_at", "id"]),
    "ix_executions_retry_of": ("executions", ["retry_of"]),
    "ix_deliveries_carried_by": ("deliveries", ["carried_by"]),
    "ix_deliveries_recipient_created_at": ("deliveries", ["recipient", "created_at"]),
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table_name=table)
    for table, columns in reversed(COLUMNS.items()):
        for name in reversed(columns):
            op.drop_column(table, name)
