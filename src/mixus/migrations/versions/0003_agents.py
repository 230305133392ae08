"""Executions in sandbox or live, from templates, with an expected outcome and its score; their own copy of data."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


COLUMNS = {
    "environment": (sa.String(length=32), sa.text("'sandbox'")),
    "template": (sa.String(length=64), None),
    "parameters": (sa.Text(), None),
    "max_tokens": (sa.BigInteger(), None),
    "expected_outcome": (sa.Text(), None),
    "score": (sa.Text(), None),
    "passed": (sa.Boolean(), None),
    "parks": (sa.Integer(), sa.text("0")),
}


def upgrade() -> None:
    # Column by column: SQLite would make the table anew, and drop with the old one what refers to it.
    for name, (kind, default) in COLUMNS.items():
        op.add_column(
            "executions", sa.Column(name, kind, nullable=default is None, server_default=default)
        )
    op.create_table(
        "workspace",
        sa.Column("execution_id", sa.String(length=32), nullable=False),
        sa.Column("area", sa.String(length=32), nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["executions.id"],
            name="fk_workspace_execution_id_executions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("execution_id", "area", "path", name="pk_workspace"),
    )


def downgrade() -> None:
    op.drop_table("workspace")
    for name in reversed(COLUMNS):
        op.drop_column("executions", name)
