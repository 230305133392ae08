"""Whether somebody who is to decide can be reached, and can then decide."""

from collections.abc import Sequence

from mixus.accounts import service as accounts
from mixus.accounts.principal import SCOPES_OF, Scope
from mixus.core.database import Row, Transaction
from mixus.core.settings import ReviewLinks, Settings
from mixus.evals.lifecycle import Environment


def unreached(tx: Transaction, settings: Settings, execution: Row) -> Sequence[str]:
    """A sentence about each of the execution's reviewers who cannot be."""
    people = [execution["assigned_reviewer"], execution["escalate_to"]]
    sentences = [_why_not(tx, settings, execution, person) for person in dict.fromkeys(filter(None, people))]
    return [sentence for sentence in sentences if sentence is not None]


def _why_not(tx: Transaction, settings: Settings, execution: Row, email: str) -> str | None:
    account = accounts.find_by_email(tx, email)
    if account is None:
        reason = _why_no_link(settings, execution)
        if reason is None:
            return None
        return (
            f"{email} has no account here and cannot be asked{reason}; make one, or assign another reviewer."
        )
    if account.disabled_at is not None:
        return f"The account of {email} is disabled; enable it, or assign another reviewer."
    if Scope.MANAGE not in SCOPES_OF[account.role]:
        return f"{email} is a {account.role} and may not decide; assign another reviewer."
    return None


def _why_no_link(settings: Settings, execution: Row) -> str | None:
    """Why somebody without an account cannot decide by a link in a mail; None where he can."""
    if not settings.sends_mail:
        missing = " and ".join(settings.missing_for_mail)
        return f", and no mail leaves ({missing} not set)" if missing else ""
    if execution["environment"] is Environment.LIVE:
        return ": what is live needs a sign-in"
    if settings.review_links is not ReviewLinks.DECIDE:
        return f": the links in mails decide nothing (MIXUS_REVIEW_LINKS={settings.review_links})"
    return None
