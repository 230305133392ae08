"""Rotation, limits, use and notices of keys; passwords, sessions and links of accounts; an audit that only grows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = "the audit only grows"


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    add_columns()
    create_account_tables()
    create_key_tables()
    create_deliveries()
    op.create_table(
        "rate_windows",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("admitted", sa.Text() if is_sqlite else postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_rate_windows"),
        # No write-ahead log, so that admitting a request waits for no disk.
        prefixes=[] if is_sqlite else ["UNLOGGED"],
    )
    op.create_index("ix_events_kind_at", "events", ["kind", "at"])
    op.create_index("ix_events_at_id", "events", ["at", "id"])
    op.create_index("ix_events_actor_id_at", "events", ["actor_id", "at"])
    op.create_index("ix_keys_expires_at", "keys", ["expires_at"])
    op.create_index("ix_executions_user_id_status", "executions", ["user_id", "status"])
    op.create_index("ix_executions_credential_id", "executions", ["credential_id"])
    forbid_changing_events(is_sqlite)


def add_columns() -> None:
    with op.batch_alter_table("accounts") as accounts:
        accounts.add_column(sa.Column("password_hash", sa.String(length=255), nullable=True))
    with op.batch_alter_table("events") as events:
        events.add_column(sa.Column("credential_id", sa.String(length=64), nullable=True))
    # Until now an event named the key that was used; its owner is who did it.
    op.execute("update events set credential_id = actor_id where actor_id in (select id from keys)")
    op.execute(
        "update events set actor_id = (select user_id from keys where keys.id = events.actor_id) "
        "where actor_id in (select id from keys)"
    )
    with op.batch_alter_table("keys") as keys:
        keys.add_column(sa.Column("lineage_id", sa.String(length=32), nullable=True))
        keys.add_column(sa.Column("replaced_by", sa.String(length=32), nullable=True))
        keys.add_column(sa.Column("allow_live", sa.Boolean(), nullable=True))
        keys.add_column(sa.Column("disabled_by", sa.String(length=64), nullable=True))
    op.execute("update keys set lineage_id = id, allow_live = (1 = 0)")
    with op.batch_alter_table("keys") as keys:
        keys.alter_column("lineage_id", nullable=False)
        keys.alter_column("allow_live", nullable=False)


def create_account_tables() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=True),
        sa.Column("agent", sa.String(length=200), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name="fk_sessions_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
    )
    op.create_index("ix_sessions_user_id_created_at", "sessions", ["user_id", "created_at"])
    op.create_table(
        "links",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("role", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name="fk_links_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
        sa.UniqueConstraint("token_hash", name="uq_links_token_hash"),
    )


def create_key_tables() -> None:
    op.create_table(
        "key_usage",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("route", sa.String(length=120), nullable=False),
        sa.Column("status", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("refusal", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_usage_key_id"),
        sa.PrimaryKeyConstraint("key_id", "day", "route", "status", "refusal", name="pk_key_usage"),
    )
    op.create_index("ix_key_usage_day", "key_usage", ["day"])
    op.create_table(
        "key_use",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_network", sa.String(length=64), nullable=True),
        sa.Column("last_used_agent", sa.String(length=200), nullable=True),
        sa.Column("last_refused_at", sa.BigInteger(), nullable=True),
        sa.Column("last_refused_network", sa.String(length=64), nullable=True),
        sa.Column("last_refused_agent", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_use_key_id"),
        sa.PrimaryKeyConstraint("key_id", name="pk_key_use"),
    )
    op.create_table(
        "usage_writers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_writers"),
    )
    op.create_table(
        "key_streams",
        sa.Column("writer_id", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["writer_id"], ["usage_writers.id"], name="fk_key_streams_writer_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("writer_id", "key_id", name="pk_key_streams"),
    )
    op.create_index("ix_key_streams_key_id", "key_streams", ["key_id"])
    op.create_table(
        "key_notices",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("notice", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_notices_key_id"),
        sa.PrimaryKeyConstraint("key_id", "notice", name="pk_key_notices"),
    )


def create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_deliveries_event_id"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint(
            "event_id", "channel", "recipient", name="uq_deliveries_event_id_channel_recipient"
        ),
    )
    op.create_index("ix_deliveries_next_at", "deliveries", ["next_at"])


def forbid_changing_events(is_sqlite: bool) -> None:
    if is_sqlite:
        for verb in ("update", "delete"):
            op.execute(
                f"create trigger events_no_{verb} before {verb} on events "
                f"begin select raise(abort, '{APPEND_ONLY}'); end"
            )
        # `insert or replace` deletes without asking the trigger of deleting.
        op.execute(
            "create trigger events_no_replace before insert on events "
            "when exists (select 1 from events where id = new.id) "
            f"begin select raise(abort, '{APPEND_ONLY}'); end"
        )
        return
    op.execute(
        "create function forbid_changing_events() returns trigger language plpgsql as "
        f"$$ begin raise exception '{APPEND_ONLY}'; end $$"
    )
    op.execute(
        "create trigger events_append_only before update or delete or truncate on events "
        "for each statement execute function forbid_changing_events()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete", "replace"):
            op.execute(f"drop trigger events_no_{verb}")
    else:
        op.execute("drop trigger events_append_only on events")
        op.execute("drop function forbid_changing_events()")
    op.drop_index("ix_executions_credential_id", table_name="executions")
    op.drop_index("ix_executions_user_id_status", table_name="executions")
    op.drop_index("ix_keys_expires_at", table_name="keys")
    for index in ("ix_events_actor_id_at", "ix_events_at_id", "ix_events_kind_at"):
        op.drop_index(index, table_name="events")
    op.execute("update events set actor_id = credential_id where credential_id is not null")
    for table in (
        *("rate_windows", "deliveries", "key_notices", "key_streams", "usage_writers", "key_use"),
        *("key_usage", "links", "sessions"),
    ):
        op.drop_table(table)
    with op.batch_alter_table("keys") as keys:
        for column in ("disabled_by", "allow_live", "replaced_by", "lineage_id"):
            keys.drop_column(column)
    with op.batch_alter_table("events") as events:
        events.drop_column("credential_id")
    with op.batch_alter_table("accounts") as accounts:
        accounts.drop_column("password_hash")
