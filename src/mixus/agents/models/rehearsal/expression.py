"""Reads operands and chains of a clause; every number and operator is used, or it raises."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from mixus.agents.models.rehearsal.harmless import check_words
from mixus.agents.models.rehearsal.plan import PREVIOUS, BeyondRehearsal
from mixus.agents.models.rehearsal.tokens import Kind, Token, has_unclear_point
from mixus.agents.models.rehearsal.words import CONDITIONS, OPERATOR_LIKE, RATE_WORDS, ROLES

MAX_DEPTH: Final = 12
UNCLEAR_PERCENTAGE: Final = "It is not clear what a percentage belongs to: write “10 % of …”."
ADDITIVE: Final = frozenset("+-")
DROPPED_AT_END: Final = frozenset({"of", "to", "from", "by", "this", "comma"})
OPERAND_ROLES: Final = frozenset({"number", "percent", "open"})


@dataclass(frozen=True)
class Lexeme:
    """A token that matters to arithmetic, with its role."""

    role: str
    token: Token


@dataclass(frozen=True)
class Operand:
    """A piece of an expression."""

    text: str
    is_atom: bool = True
    percent: str = ""
    is_negative: bool = False

    @property
    def wrapped(self) -> str:
        return self.text if self.is_atom else f"({self.text})"


def lexemes_of(tokens: tuple[Token, ...]) -> list[Lexeme]:
    lexemes = _without_pauses([lexeme for token in tokens if (lexeme := _lexeme(token))])
    check_words(tokens)
    words = {token.value for token in tokens if token.kind is Kind.WORD}
    has_prose = any(token.kind is Kind.WORD and token.value not in ROLES for token in tokens[1:])
    for lexeme in lexemes:
        if has_prose and lexeme.token.is_tight and lexeme.token.value in {"-", "/"}:
            raise BeyondRehearsal(
                f"“{_around(lexeme, lexemes)}” may be a range or a date: put spaces around the sign.",
            )
    if not words & RATE_WORDS:
        lexemes = [lexeme for lexeme in lexemes if lexeme.role != "at"]
    return lexemes


def _without_pauses(lexemes: list[Lexeme]) -> list[Lexeme]:
    """Drop a comma before an operator: “15% of $500, plus $20”."""
    following = [*(lexeme.role for lexeme in lexemes), ""][1:]
    paired = zip(lexemes, following, strict=True)
    return [lexeme for lexeme, role in paired if (lexeme.role, role) != ("comma", "operator")]


def _lexeme(token: Token) -> Lexeme | None:
    if token.kind is Kind.WORD:
        if token.value in CONDITIONS or token.value in OPERATOR_LIKE:
            raise BeyondRehearsal(f"The word “{token.text}” is beyond rehearsal in a calculation.")
        role = ROLES.get(token.value)
        return Lexeme(role, token) if role else None
    if token.kind in {Kind.ODD, Kind.EMAIL, Kind.QUOTED}:
        if has_unclear_point(token):
            raise BeyondRehearsal(f"“{token.text}” may be thousands or decimals: write it without the point.")
        raise BeyondRehearsal(f"“{token.text}” is not understood in a calculation.")
    return Lexeme(token.kind.value, token)


def _around(lexeme: Lexeme, lexemes: list[Lexeme]) -> str:
    place = lexemes.index(lexeme)
    return "".join(each.token.text for each in lexemes[max(place - 1, 0) : place + 2])


class Reader:
    """A place in the lexemes of one clause; owns how deep it is and how many operations were read."""

    def __init__(self, lexemes: list[Lexeme], *, has_previous: bool) -> None:
        self._lexemes = lexemes
        self._place = 0
        self.has_previous = has_previous
        self.operations = 0
        self.depth = 0

    @property
    def role(self) -> str:
        return self.role_at(0)

    def role_at(self, distance: int) -> str:
        place = self._place + distance
        return self._lexemes[place].role if place < len(self._lexemes) else ""

    @property
    def token(self) -> Token:
        if self._place >= len(self._lexemes):
            raise BeyondRehearsal("A calculation ends before its last number.")
        return self._lexemes[self._place].token

    def take(self) -> Token:
        token = self.token
        self._place += 1
        return token

    def takes(self, *roles: str) -> bool:
        """Step over the next lexeme if it has one of these roles."""
        if self.role in roles:
            self._place += 1
            return True
        return False

    def is_sign(self) -> bool:
        """Whether the next lexeme is a minus that touches its number, as in -5."""
        if self.role_at(1) not in {"number", "percent"} or self.token.value != "-":
            return False
        return self.token.end == self._lexemes[self._place + 1].token.start

    def previous(self) -> Operand:
        if not self.has_previous:
            raise BeyondRehearsal("A calculation refers to an earlier result, and there is none.")
        return Operand(PREVIOUS)

    def skip_to(self, roles: Collection[str]) -> None:
        """Step over pointing words before one of `roles`, if one of them follows."""
        place = 0
        while self.role_at(place) in {"of", "to", "this", "reference"}:
            place += 1
        if self.role_at(place) in roles:
            self._place += place

    def nested(self, read: Callable[["Reader"], Operand]) -> Operand:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BeyondRehearsal("A calculation is nested too deeply: split it into steps.")
        operand = read(self)
        self.depth -= 1
        return operand

    def finish(self) -> None:
        while self.takes(*DROPPED_AT_END):
            pass
        if self.role:
            raise BeyondRehearsal(f"It is not clear what “{self.token.text}” does in its sentence.")
        if not self.operations:
            raise BeyondRehearsal("A number stands without an operation: say what to calculate with it.")


def chain(reader: Reader) -> Operand:
    """Operands with operators between them: 7500 + 250 - 100."""
    operands, operators = [_first(reader)], list[Token]()
    if _is_percent_off(reader):
        return _discounted(operands[0], reader)
    if reader.role == "at" and reader.role_at(1) == "percent":
        reader.take()
        reader.operations += 1
        return Operand(f"{reader.take().value} / 100 * {operands[0].wrapped}", is_atom=False)
    while reader.role == "operator":
        operators.append(reader.take())
        operands.append(operand_of(reader))
        reader.operations += 1
    return _combined(operands, operators)


def _first(reader: Reader) -> Operand:
    if reader.role == "reference" and reader.role_at(1) in OPERAND_ROLES:
        raise BeyondRehearsal(f"It is not clear what “{reader.token.text}” points at: write parentheses.")
    if reader.role in {"reference", "this"} and reader.role_at(1) != "operator":
        reader.take()
    if reader.role != "operator":
        return operand_of(reader)
    is_negative = reader.token.value == "-" and reader.is_sign()
    if is_negative and reader.has_previous and not reader.depth:
        raise BeyondRehearsal(
            f"“{reader.token.text}” may be a sign or an operation: write “minus” and a space."
        )
    return operand_of(reader) if is_negative else reader.previous()


def _is_percent_off(reader: Reader) -> bool:
    return reader.role == "percent" and reader.role_at(1) == "off"


def _discounted(base: Operand, reader: Reader) -> Operand:
    percent = reader.take().value
    reader.take()
    reader.operations += 1
    return changed_by(base, "-", percent)


def changed_by(base: Operand, sign: str, percent: str) -> Operand:
    """`base` more or less a percentage of itself."""
    return Operand(f"{base.wrapped} * (1 {sign} {percent} / 100)", is_atom=False)


def operand_of(reader: Reader) -> Operand:
    """A number, a percentage of something, parentheses, or the result before; then its power."""
    operand = reader.nested(_simple_operand)
    if reader.role != "operator" or reader.token.value != "**":
        return operand
    reader.take()
    exponent = reader.nested(_simple_operand)
    reader.operations += 1
    is_chained = reader.role == "operator" and reader.token.value == "**"
    if is_chained or operand.is_negative or operand.percent or exponent.percent:
        raise BeyondRehearsal("It is not clear what the power belongs to: write parentheses.")
    return Operand(f"({operand.wrapped} ** {exponent.wrapped})")


def _simple_operand(reader: Reader) -> Operand:
    while reader.takes("of"):
        pass
    if reader.role == "operator" and reader.is_sign():
        reader.take()
        inner = _simple_operand(reader)
        return Operand(
            f"(-{inner.wrapped})", percent=inner.percent and f"(-{inner.percent})", is_negative=True
        )
    if reader.role == "percent":
        return _percentage(reader)
    if reader.role == "open":
        return _group(reader)
    if reader.role in {"reference", "this"}:
        return _reference(reader)
    if reader.role == "number":
        return Operand(reader.take().value)
    raise BeyondRehearsal(f"A number is expected before “{reader.token.text}”.")


def _percentage(reader: Reader) -> Operand:
    percent = reader.take().value
    if reader.role == "discount" and reader.role_at(1) == "of":
        raise BeyondRehearsal(
            "Say “20 % off $80” for the price after a discount, “20 % of $80” for the discount."
        )
    if reader.takes("of"):
        base = reader.nested(_simple_operand)
        if base.percent:
            raise BeyondRehearsal("A percentage of a percentage needs what it is of.")
        reader.operations += 1
        return Operand(f"{percent} / 100 * {base.wrapped}", is_atom=False)
    if reader.takes("off"):
        reader.takes("of")
        has_base = reader.role in OPERAND_ROLES | {"this", "reference"}
        base = reader.nested(_simple_operand) if has_base else reader.previous()
        reader.operations += 1
        return changed_by(base, "-", percent)
    return Operand(f"({percent} / 100)", percent=percent)


def _group(reader: Reader) -> Operand:
    reader.take()
    inner = reader.nested(chain)
    if not reader.takes("close"):
        raise BeyondRehearsal("A parenthesis is not closed.")
    return Operand(f"({inner.text})")


def _reference(reader: Reader) -> Operand:
    token = reader.take()
    distance = 1 if reader.role == "of" else 0
    if reader.role_at(distance) not in OPERAND_ROLES:
        return reader.previous()
    # “the total $50,000” names the number; what follows it could belong to either.
    is_named = ROLES[token.value] == "this" and reader.role == "number"
    if is_named and reader.role_at(1) != "operator":
        return _simple_operand(reader)
    raise BeyondRehearsal(f"It is not clear what “{token.text}” points at: write parentheses.")


def _combined(operands: list[Operand], operators: list[Token]) -> Operand:
    if not operators:
        return operands[0]
    has_words = any(token.is_word for token in operators)
    has_additive = any(token.value in ADDITIVE for token in operators)
    has_both = has_additive and any(token.value not in ADDITIVE for token in operators)
    if has_both and has_words:
        raise BeyondRehearsal(
            f"It is not clear what comes first around “{operators[1].text}”: write parentheses."
        )
    if has_additive and any(operand.percent for operand in operands):
        return _with_percent(operands, operators)
    text = operands[0].wrapped
    for token, operand in zip(operators, operands[1:], strict=True):
        text = f"{text} {token.value} {operand.wrapped}"
    return Operand(text, is_atom=False)


def _with_percent(operands: list[Operand], operators: list[Token]) -> Operand:
    """“$80 plus 10 % tax”: the percentage is of the one thing before it, and said in words."""
    first, second = operands[0], operands[1]
    is_said = operators[0].is_word and not second.is_negative
    if first.percent or not second.percent or not is_said or any(operand.percent for operand in operands[2:]):
        raise BeyondRehearsal(UNCLEAR_PERCENTAGE)
    return _combined([changed_by(first, operators[0].value, second.percent), *operands[2:]], operators[1:])
