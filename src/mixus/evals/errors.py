"""What an evaluation refuses, each with its stable code."""

from mixus.core.errors import Conflict, Forbidden, NotFound


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


class ReviewLinkUnusable(NotFound):
    """It is unknown, of an earlier reviewer, or its holder's account is disabled: which, nobody is told."""

    code = "review-link-unusable"

    def __init__(self) -> None:
        super().__init__("This link opens nothing, or no longer; sign in to see what waits for you.")


class LiveForbidden(Forbidden):
    code = "live-forbidden"


class LiveNeedsPerson(Forbidden):
    code = "live-needs-person"


class QueueFull(Conflict):
    code = "queue-full"


class WaitingFull(Conflict):
    code = "waiting-full"


class ExternalExecution(Conflict):
    """It has no worker of ours that could run it."""

    code = "external-execution"


class NotExternal(Conflict):
    """It is a worker of ours that runs it."""

    code = "not-external"


class TakenOver(Conflict):
    code = "taken-over"


class DecisionAwaited(Conflict):
    code = "decision-awaited"


class EffectNotReleased(Conflict):
    code = "effect-not-released"


class EffectStarted(Conflict):
    code = "effect-started"


class EffectNotStarted(Conflict):
    code = "effect-not-started"


class ArgumentsChanged(Conflict):
    code = "arguments-changed"


class ResultChanged(Conflict):
    code = "result-changed"
