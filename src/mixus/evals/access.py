"""Who may see, change and decide what. What a caller may not see does not exist for him."""

from sqlalchemy import ColumnElement, or_, select, true

from mixus.accounts.principal import Principal
from mixus.core.database import Row, Transaction
from mixus.core.errors import NotFound
from mixus.evals.errors import NotTheOwner, NotTheReviewer
from mixus.evals.tables import executions


def is_visible(row: Row, principal: Principal) -> bool:
    """To its owner, its assigned reviewer and admins."""
    return (
        principal.is_admin
        or bool(row["user_id"] == principal.user_id)
        or bool(row["assigned_reviewer"] == principal.email)
    )


def visible_to(principal: Principal) -> ColumnElement[bool]:
    """The same rule for the database."""
    if principal.is_admin:
        return true()
    return or_(executions.c.user_id == principal.user_id, executions.c.assigned_reviewer == principal.email)


def missing(execution_id: str) -> NotFound:
    """The same answer for what is not there and for what is another's."""
    return NotFound(f"There is no execution {printable(execution_id)} that you may see.")


def missing_checkpoint(checkpoint_id: str) -> NotFound:
    return NotFound(f"This execution has no checkpoint {printable(checkpoint_id)}.")


def missing_effect(action_id: str) -> NotFound:
    return NotFound(f"This execution proposed no effect {printable(action_id)}.")


def printable(text: str) -> str:
    """A piece of a request, short and without control characters, for a sentence."""
    return "".join(character for character in text[:64] if character.isprintable())


def locked(tx: Transaction, principal: Principal, execution_id: str) -> Row:
    """The execution, held against every other change until this transaction ends."""
    row: Row | None = (
        tx.execute(select(executions).where(executions.c.id == execution_id).with_for_update())
        .mappings()
        .one_or_none()
    )
    if row is None or not is_visible(row, principal):
        raise missing(execution_id)
    return row


def owned(tx: Transaction, principal: Principal, execution_id: str) -> Row:
    row = locked(tx, principal, execution_id)
    if not principal.is_admin and row["user_id"] != principal.user_id:
        raise NotTheOwner("You review this execution; only its owner and admins may change it.")
    return row


def reviewed(tx: Transaction, principal: Principal, execution_id: str) -> Row:
    """The execution, if the caller may decide on it: the maker only when he is its reviewer."""
    row = locked(tx, principal, execution_id)
    if row["assigned_reviewer"] == principal.email:
        return row
    if principal.is_admin and row["user_id"] != principal.user_id:
        return row
    raise NotTheReviewer(f"The reviewer of this execution is {row['assigned_reviewer']}; you may not decide.")
