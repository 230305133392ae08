"""The same question as commonly answered: FastAPI, an object mapper, and a key looked up by its SHA-256.

`python -m benchmarks.stack_common FILE KEY` makes the SQLite file and serves it. Routes and sessions are
synchronous and run in the framework's threads, as its documentation shows it.
"""

import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, ForeignKey, create_engine, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
    sessionmaker,
)

from benchmarks.stack_bare import serve

EXECUTION_ID = "exe_common"
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]


class ApiKey(Base):
    __tablename__ = "api_keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship(lazy="joined")


class Checkpoint(Base):
    __tablename__ = "checkpoints"
    id: Mapped[int] = mapped_column(primary_key=True)
    execution_id: Mapped[str] = mapped_column(ForeignKey("executions.id"))
    stage: Mapped[str]
    description: Mapped[str]
    status: Mapped[str]
    attempt: Mapped[int]
    work: Mapped[str]
    proposed_actions: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    requested_at: Mapped[datetime]


class Execution(Base):
    __tablename__ = "executions"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    task_name: Mapped[str]
    status: Mapped[str]
    model: Mapped[str]
    plan: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    result: Mapped[str | None]
    created_at: Mapped[datetime]
    steps: Mapped[int]
    tool_calls: Mapped[int]
    checkpoints: Mapped[list[Checkpoint]] = relationship()


class CheckpointOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    stage: str
    description: str
    status: str
    attempt: int
    work: str
    proposed_actions: list[dict[str, str]]
    requested_at: datetime


class ExecutionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    task_name: str
    status: str
    model: str
    plan: list[dict[str, str]]
    result: str | None
    created_at: datetime
    steps: int
    tool_calls: int
    checkpoints: list[CheckpointOut]


def session(request: Request) -> Iterator[Session]:
    with request.app.state.sessions() as opened:
        yield opened


Opened = Annotated[Session, Depends(session)]


def user(opened: Opened, sent: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> User:
    digest = hashlib.sha256(sent.credentials.encode()).hexdigest()
    key = opened.scalar(select(ApiKey).where(ApiKey.sha256 == digest))
    if key is None:
        raise HTTPException(401)
    return key.user


def status(execution_id: str, opened: Opened, caller: Annotated[User, Depends(user)]) -> Execution:
    found = opened.get(Execution, execution_id, options=[selectinload(Execution.checkpoints)])
    if found is None or found.user_id != caller.id:
        raise HTTPException(404)
    return found


def fill(opened: Session, key: str) -> None:
    owner = User(id=1, email="bench@example.org")
    digest = hashlib.sha256(key.encode()).hexdigest()
    step = {"description": "Calculate 15% of 50,000", "effect": "read"}
    mail = {
        "tool": "send_email",
        "to": "pay@example.org",
        "subject": "Result: $7,500.00",
        "body": "$7,500.00",
    }
    checkpoint = Checkpoint(
        stage="calculation",
        description="The commission, before anyone is told.",
        status="awaiting",
        attempt=1,
        work="Result: $7,500.00. Next: send the result to pay@example.org.",
        proposed_actions=[mail],
        requested_at=NOW,
    )
    execution = Execution(
        id=EXECUTION_ID,
        user_id=1,
        task_name="Commission",
        status="awaiting-verification",
        model="rehearsal",
        plan=[step, step],
        created_at=NOW,
        steps=2,
        tool_calls=1,
        checkpoints=[checkpoint],
    )
    opened.add_all([owner, ApiKey(sha256=digest, user=owner), execution])
    opened.commit()


def main() -> None:
    engine = create_engine(f"sqlite:///{sys.argv[1]}", pool_size=40)
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    with sessions() as opened:
        fill(opened, sys.argv[2])
    app = FastAPI()
    app.state.sessions = sessions
    app.get("/status/{execution_id}", response_model=ExecutionOut)(status)
    serve(app)


if __name__ == "__main__":
    main()
