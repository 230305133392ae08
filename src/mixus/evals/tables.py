"""Executions, their checkpoints, their journal and their effects."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from mixus.core.columns import Instant, Json, Word
from mixus.core.database import metadata
from mixus.evals.lifecycle import (
    Area,
    CheckpointStatus,
    Effect,
    Environment,
    OnTimeout,
    Source,
    Status,
    TestMode,
)

executions = Table(
    "executions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", String(32), ForeignKey("accounts.id"), nullable=False),
    # Opaque: an evaluation never learns how its caller proved who he is.
    Column("credential_id", String(32), nullable=False),
    Column("assigned_reviewer", String(254), nullable=False),
    Column("retry_of", String(32)),
    # The task.
    Column("task_name", String(200), nullable=False),
    Column("task_description", Text, nullable=False),
    Column("test_mode", Word(TestMode), nullable=False),
    Column("auto_detect", Boolean, nullable=False),
    Column("review_result", Boolean, nullable=False),
    Column("model", String(200), nullable=False),
    # A default, because older processes write beside newer ones while an upgrade rolls.
    Column("environment", Word(Environment), nullable=False, server_default=text("'sandbox'")),
    Column("template", String(64)),
    Column("parameters", Json),
    Column("expected_outcome", Json),
    Column("script", Json),
    Column("tools", Json, nullable=False),
    Column("plan", Json, nullable=False),
    Column("max_steps", Integer, nullable=False),
    Column("max_cost_usd", Float),
    Column("max_tokens", BigInteger),
    Column("timeout_ms", BigInteger, nullable=False),
    Column("metadata", Json, nullable=False),
    # How long a reviewer may take each time he is asked, who is asked after that, and what then.
    Column("review_timeout_ms", BigInteger),
    Column("escalate_to", String(254)),
    Column("on_review_timeout", Word(OnTimeout)),
    Column("escalated_at", Instant),
    # The state. `seq` counts segments: whoever holds another number may write nothing.
    Column("status", Word(Status), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("trace_count", Integer, nullable=False),
    Column("state_format", Integer, nullable=False),
    Column("worker_id", String(32)),
    Column("leased_at", Instant),
    Column("takeovers", Integer, nullable=False),
    # How often in a row the provider was down.
    Column("parks", Integer, nullable=False, server_default=text("0")),
    Column("result", Text),
    Column("score", Json),
    # What the score says, in a form that can be counted; null as long as there is nothing to say.
    Column("passed", Boolean),
    Column("error_code", String(64)),
    Column("error_message", Text),
    # Time: three sums and the moment since which the present status counts, so that they add up exactly.
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("since", Instant, nullable=False),
    Column("queued_ms", BigInteger, nullable=False),
    Column("agent_ms", BigInteger, nullable=False),
    Column("waiting_ms", BigInteger, nullable=False),
    # Counts. Tokens and cost stay null where they are unknown.
    Column("steps", Integer, nullable=False),
    Column("tool_calls", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cost_usd", Float),
    Index("ix_executions_created_at_id", "created_at", "id"),
    Index("ix_executions_user_id_created_at_id", "user_id", "created_at", "id"),
    Index("ix_executions_assigned_reviewer_created_at_id", "assigned_reviewer", "created_at", "id"),
    Index("ix_executions_status_since", "status", "since"),
    Index("ix_executions_user_id_status", "user_id", "status"),
    Index("ix_executions_credential_id", "credential_id"),
    Index("ix_executions_retry_of", "retry_of"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("execution_id", String(32), ForeignKey("executions.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("stage", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("verification_question", Text),
    Column("source", Word(Source), nullable=False),
    Column("status", Word(CheckpointStatus), nullable=False),
    Column("attempt", Integer, nullable=False),
    # What the reviewer is shown, what it was hashed to, and what was released by him.
    Column("work", Text),
    Column("proposed_actions", Json, nullable=False),
    Column("effective_actions", Json, nullable=False),
    Column("digests", Json, nullable=False),
    Column("requested_at", Instant),
    # Of this ask: when the decision is due, a mail about it was taken, and its page was first opened.
    Column("due_at", Instant),
    Column("notified_at", Instant),
    Column("first_viewed_at", Instant),
    # Of this ask: how long somebody worked at its page; null where no page measured it.
    Column("active_review_ms", BigInteger),
    Column("decided_at", Instant),
    Column("decided_by", String(254)),
    Column("decided_via", String(32)),
    Column("decision", String(32)),
    Column("comment", Text),
    Column("hints", Json, nullable=False),
    UniqueConstraint("execution_id", "position"),
    Index("ix_checkpoints_status_requested_at", "status", "requested_at"),
    Index("ix_checkpoints_due_at", "due_at"),
)

trace = Table(
    "trace",
    metadata,
    Column("execution_id", String(32), ForeignKey("executions.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("data", Json, nullable=False),
    # The model's side of the entry, from which a later segment rebuilds the conversation.
    Column("message", Json),
)

effects = Table(
    "effects",
    metadata,
    # One row per approved call, so that it happens at most once.
    Column("action_id", String(32), primary_key=True),
    Column("execution_id", String(32), ForeignKey("executions.id", ondelete="CASCADE"), nullable=False),
    Column("tool", String(200), nullable=False),
    Column("effect", Word(Effect), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("intended_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("result", Json),
    Column("is_error", Boolean),
    Index("ix_effects_execution_id", "execution_id"),
)

workspace = Table(
    "workspace",
    metadata,
    # The execution's own copy of what its tools change, in rows: it goes where the execution goes.
    Column("execution_id", String(32), ForeignKey("executions.id", ondelete="CASCADE"), primary_key=True),
    Column("area", Word(Area), primary_key=True),
    Column("path", String(400), primary_key=True),
    # Null says that it is deleted here, whatever the original says.
    Column("content", LargeBinary),
)
