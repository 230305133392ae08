"""Reads a whole clause of arithmetic: one that starts with a verb (“add 5 to 10”), or a chain."""

from collections.abc import Callable
from typing import Final

from mixus.agents.models.rehearsal.expression import (
    UNCLEAR_PERCENTAGE,
    Operand,
    Reader,
    chain,
    changed_by,
    lexemes_of,
    operand_of,
)
from mixus.agents.models.rehearsal.plan import BeyondRehearsal
from mixus.agents.models.rehearsal.tokens import Token
from mixus.agents.tools.calculate import MAX_CHARACTERS


def read_expression(tokens: tuple[Token, ...], *, has_previous: bool) -> str:
    """The clause as an expression, in which `previous` is the result before it.

    Raises:
        BeyondRehearsal: a word, number or operator of the clause is not understood.
    """
    reader = Reader(lexemes_of(tokens), has_previous=has_previous)
    reader.skip_to(VERBS)
    verb = VERBS.get(reader.role)
    operand = verb(reader) if verb else chain(reader)
    reader.finish()
    if len(operand.text) > MAX_CHARACTERS // 2:
        raise BeyondRehearsal("A calculation is too long for one step: split it.")
    return operand.text


def _add(reader: Reader) -> Operand:
    reader.take()
    amount = operand_of(reader)
    reader.operations += 1
    if reader.role in {"and", "comma"} and not reader.has_previous:
        return _listed(reader, amount, "+")
    base = operand_of(reader) if reader.takes("to") else reader.previous()
    return _moved(base, "+", amount)


def _subtract(reader: Reader) -> Operand:
    reader.take()
    amount = operand_of(reader)
    reader.operations += 1
    base = operand_of(reader) if reader.takes("from") else reader.previous()
    return _moved(base, "-", amount)


def _moved(base: Operand, sign: str, amount: Operand) -> Operand:
    if base.percent or (amount.percent and amount.is_negative):
        raise BeyondRehearsal(UNCLEAR_PERCENTAGE)
    if amount.percent:
        return changed_by(base, sign, amount.percent)
    return Operand(f"{base.wrapped} {sign} {amount.wrapped}", is_atom=False)


def _multiply(reader: Reader) -> Operand:
    return _scaled(reader, "*", ("by", "and"))


def _divide(reader: Reader) -> Operand:
    return _scaled(reader, "/", ("by",))


def _scaled(reader: Reader, sign: str, links: tuple[str, ...]) -> Operand:
    reader.take()
    base = reader.previous() if reader.role == "by" else operand_of(reader)
    reader.operations += 1
    if not reader.takes(*links):
        raise BeyondRehearsal("A multiplication or division does not say by what.")
    return Operand(f"{base.wrapped} {sign} {operand_of(reader).wrapped}", is_atom=False)


def _increase(reader: Reader) -> Operand:
    return _step(reader, "+")


def _decrease(reader: Reader) -> Operand:
    return _step(reader, "-")


def _step(reader: Reader, sign: str) -> Operand:
    reader.take()
    base = reader.previous() if reader.role == "by" else operand_of(reader)
    reader.operations += 1
    if not reader.takes("by"):
        raise BeyondRehearsal("An increase or decrease does not say by how much.")
    return _moved(base, sign, operand_of(reader))


def _apply(reader: Reader) -> Operand:
    reader.take()
    if reader.role != "percent" or reader.role_at(1) not in {"discount", "off"}:
        raise BeyondRehearsal(
            "Only a discount in percent can be applied: write “add 10 % tax” for a surcharge."
        )
    percent = reader.take()
    reader.take()
    reader.operations += 1
    base = operand_of(reader) if reader.takes("to", "of") else reader.previous()
    return changed_by(base, "-", percent.value)


def _sum(reader: Reader) -> Operand:
    return _named(reader, "+")


def _product(reader: Reader) -> Operand:
    return _named(reader, "*")


def _difference(reader: Reader) -> Operand:
    reader.take()
    reader.takes("between")
    first = operand_of(reader)
    reader.operations += 1
    if not reader.takes("and"):
        raise BeyondRehearsal("A difference needs two numbers.")
    return Operand(f"{first.wrapped} - {operand_of(reader).wrapped}", is_atom=False)


def _named(reader: Reader, sign: str) -> Operand:
    reader.take()
    return _listed(reader, operand_of(reader), sign)


def _listed(reader: Reader, first: Operand, sign: str) -> Operand:
    operands = [first]
    while reader.role in {"and", "comma"}:
        while reader.takes("and", "comma"):
            pass
        operands.append(operand_of(reader))
        reader.operations += 1
    if any(operand.percent for operand in operands) or len(operands) == 1:
        raise BeyondRehearsal("A list of numbers to combine is not clear.")
    return Operand(f" {sign} ".join(operand.wrapped for operand in operands), is_atom=False)


VERBS: Final[dict[str, Callable[[Reader], Operand]]] = {
    "add": _add, "subtract": _subtract, "multiply": _multiply, "divide": _divide, "increase": _increase,
    "decrease": _decrease, "apply": _apply, "sum": _sum, "product": _product, "difference": _difference,
}  # fmt: skip
