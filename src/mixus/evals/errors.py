"""What an evaluation refuses, each with its stable code."""

from mixus.core.errors import Conflict, Forbidden


class StaleAttempt(Conflict):
    code = "stale-attempt"


class AlreadyDecided(Conflict):
    code = "already-decided"


class CheckpointExpired(Conflict):
    code = "checkpoint-expired"


class NotAwaiting(Conflict):
    code = "not-awaiting"


class HintLimit(Conflict):
    code = "hint-limit"


class ExecutionFinished(Conflict):
    code = "execution-finished"


class ExecutionUnfinished(Conflict):
    code = "execution-unfinished"


class NotTheReviewer(Forbidden):
    code = "not-the-reviewer"


class NotTheOwner(Forbidden):
    code = "not-the-owner"


class QueueFull(Conflict):
    code = "queue-full"


class WaitingFull(Conflict):
    code = "waiting-full"
