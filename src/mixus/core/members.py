"""A member of a JSON object that is stored as text, in the words of either database."""

from typing import Any

from sqlalchemy import ColumnElement, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from mixus.core.errors import Invalid

# What the paths of SQLite cannot quote.
UNQUOTABLE = frozenset('"\\')


class MemberText(FunctionElement[str]):
    """The value as text: `nightly`, `7`, `true`; null where there is no such member."""

    type = Text()
    inherit_cache = True
    name = "member_text"


def member_text(column: ColumnElement[Any], name: str) -> ColumnElement[str]:
    """Of a member at the top. Raises Invalid for a name that cannot be asked for."""
    if not name or UNQUOTABLE & set(name):
        raise Invalid(
            "A name has at least one character, and neither quotes nor backslashes.", field="metadata"
        )
    return MemberText(column, name, f'$."{name}"')


@compiles(MemberText, "postgresql")
def _postgres(element: MemberText, compiler: SQLCompiler, **options: Any) -> str:
    column, name, _ = (compiler.process(each, **options) for each in element.clauses)
    return f"(CAST({column} AS json) ->> {name})"


@compiles(MemberText, "sqlite")
def _sqlite(element: MemberText, compiler: SQLCompiler, **options: Any) -> str:
    """A truth is a number there, and looks like one unless its type is asked for."""
    column, _, path = element.clauses
    said = [compiler.process(each, **options) for each in (column, path)] * 2
    kind, value = "json_type({}, {})", "json_extract({}, {})"
    return (
        f"CASE WHEN {kind.format(*said)} IN ('true', 'false') THEN {kind.format(*said)} "
        f"ELSE CAST({value.format(*said)} AS TEXT) END"
    )
