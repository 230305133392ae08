"""Who may see, change and decide what. What a caller may not see does not exist for him."""

from sqlalchemy import ColumnElement, and_, or_, select, true

from mixus.accounts.principal import Principal, Via
from mixus.core.database import Row, Transaction
from mixus.core.errors import NotFound
from mixus.evals.errors import NotTheOwner, NotTheReviewer
from mixus.evals.lifecycle import Environment
from mixus.evals.tables import executions


def is_visible(row: Row, principal: Principal) -> bool:
    """To its owner, its assigned reviewer and admins; on the pages also to viewers."""
    if principal.bound_to is not None:
        return bool(row["id"] == principal.bound_to and row["assigned_reviewer"] == principal.email)
    return (
        principal.sees_all
        or bool(row["user_id"] == principal.user_id)
        or bool(row["assigned_reviewer"] == principal.email)
    )


def visible_to(principal: Principal) -> ColumnElement[bool]:
    """The same rule for the database."""
    if principal.bound_to is not None:
        assigned = executions.c.assigned_reviewer == principal.email
        return and_(executions.c.id == principal.bound_to, assigned)
    if principal.sees_all:
        return true()
    return or_(executions.c.user_id == principal.user_id, executions.c.assigned_reviewer == principal.email)


def assigned_to(principal: Principal) -> ColumnElement[bool]:
    """Executions that the caller reviews himself, for the database."""
    if principal.bound_to is not None:
        return visible_to(principal)
    return executions.c.assigned_reviewer == principal.email


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
    require_owner(row, principal)
    return row


def require_owner(row: Row, principal: Principal) -> None:
    if not is_owner(row, principal):
        raise NotTheOwner("You review this execution; only its owner and admins may change it.")


def is_owner(row: Row, principal: Principal) -> bool:
    """Whether he may change it as one; admins may change everybody's. `row` is the execution."""
    is_his = bool(row["user_id"] == principal.user_id) and principal.bound_to is None
    return principal.is_admin or is_his


def may_decide(row: Row, principal: Principal) -> bool:
    """The assigned reviewer and admins; the maker only when he is the reviewer. `row` is the execution."""
    if row["assigned_reviewer"] == principal.email:
        return principal.bound_to in (None, row["id"])
    return principal.is_admin and bool(row["user_id"] != principal.user_id)


def reviewed(tx: Transaction, principal: Principal, execution_id: str) -> Row:
    """The execution, if the caller may decide on it."""
    row = locked(tx, principal, execution_id)
    if not may_decide(row, principal):
        raise NotTheReviewer(
            f"The reviewer of this execution is {row['assigned_reviewer']}; you may not decide."
        )
    return row


def needs_person(execution: Row, principal: Principal) -> bool:
    """What is real is decided by somebody who is signed in, and by neither a key nor a link."""
    return execution["environment"] is Environment.LIVE and principal.via is not Via.SESSION
