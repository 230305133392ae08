"""The pure rules of an execution and its checkpoints: which states there are and what follows what."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Of an execution."""

    QUEUED = "queued"
    RUNNING = "running"
    AWAITING = "awaiting-verification"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class CheckpointStatus(StrEnum):
    PENDING = "pending"
    AWAITING = "awaiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    HINT = "hint"


class OnTimeout(StrEnum):
    """What becomes of a checkpoint that nobody decided in time."""

    EXPIRE = "expire"
    REJECT = "reject"


# What stands for a decision where nobody made one in time.
TIMED_OUT: Final = "timeout"


class TestMode(StrEnum):
    WITH_VERIFICATION = "with-verification"
    WITHOUT_VERIFICATION = "without-verification"

    __test__ = False  # a word of the domain, which pytest would take for a class of tests


class Environment(StrEnum):
    """Where effects go: into the execution's own copy and the record, or into the world."""

    SANDBOX = "sandbox"
    LIVE = "live"


class Area(StrEnum):
    """What an execution has a copy of its own of."""

    FILES = "files"
    DATABASE = "database"


class Source(StrEnum):
    """Why a checkpoint is there."""

    MANUAL = "manual"
    AUTO = "auto"
    RESULT = "result"
    UNCERTAIN = "uncertain"


# The model that is no language model, and is marked wherever it shows.
REHEARSAL: Final = "rehearsal"
# What was asked for beforehand: asked again, it keeps its words and stays what it is.
DECLARED: Final = frozenset({Source.MANUAL, Source.RESULT})


class Effect(StrEnum):
    """What a tool does to the world. What is not known to be `read` is never taken for it."""

    READ = "read"
    SEND = "send"
    PURCHASE = "purchase"
    MODIFY = "modify"
    DELETE = "delete"
    OTHER = "other"


class Failure(StrEnum):
    """The `error.code` of a failed execution."""

    STEP_LIMIT = "step-limit"
    COST_LIMIT = "cost-limit"
    TOKEN_LIMIT = "token-limit"  # noqa: S105 - the tokens of a model
    TIME_LIMIT = "time-limit"
    PROVIDER_ERROR = "provider-error"
    TOOL_ERROR = "tool-error"
    PLAN_REFUSED = "plan-refused"
    EFFECT_UNCERTAIN = "effect-uncertain"
    BEYOND_REHEARSAL = "beyond-rehearsal"
    STATE_UNREADABLE = "state-unreadable"
    # Of an agent outside, by its own word.
    AGENT_ERROR = "agent-error"


FINAL: Final = frozenset({Status.COMPLETED, Status.REJECTED, Status.FAILED, Status.CANCELLED, Status.EXPIRED})
LIVE: Final = frozenset(Status) - FINAL

# Read as: a status may be reached from these. Each arrow of the contract's diagram stands here once.
REACHED_FROM: Final = {
    Status.QUEUED: frozenset({Status.QUEUED, Status.RUNNING, Status.AWAITING}),
    Status.RUNNING: frozenset({Status.QUEUED}),
    Status.AWAITING: frozenset({Status.RUNNING}),
    Status.COMPLETED: frozenset({Status.RUNNING}),
    Status.FAILED: frozenset({Status.RUNNING}),
    Status.REJECTED: frozenset({Status.AWAITING}),
    Status.CANCELLED: LIVE,
    Status.EXPIRED: frozenset({Status.AWAITING}),
}

AFTER_DECISION: Final = {
    Decision.APPROVE: (CheckpointStatus.APPROVED, Status.QUEUED),
    Decision.REJECT: (CheckpointStatus.REJECTED, Status.REJECTED),
    Decision.HINT: (CheckpointStatus.PENDING, Status.QUEUED),
}

AFTER_TIMEOUT: Final = {
    OnTimeout.EXPIRE: (CheckpointStatus.EXPIRED, Status.EXPIRED),
    OnTimeout.REJECT: (CheckpointStatus.REJECTED, Status.REJECTED),
}

UNDECIDED: Final = frozenset({CheckpointStatus.PENDING, CheckpointStatus.AWAITING})
HINT_LIMIT: Final = 5
# The format of what an execution needs to go on; a release that changes it reads the older ones too.
STATE_FORMAT: Final = 1
