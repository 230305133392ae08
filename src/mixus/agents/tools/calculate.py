"""Arithmetic on a written expression: exact, without eval, bounded in time and memory."""

import ast
import re
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation, Overflow, Underflow
from fractions import Fraction
from typing import Final

from simpleeval import InvalidExpression, SimpleEval  # type: ignore[import-untyped]  # it ships no types

MAX_CHARACTERS: Final = 500
MAX_DEPTH: Final = 100
MAX_BITS: Final = 2048
MAX_EXPONENT: Final = 1000
EXACT_DECIMALS: Final = 50
SIGNIFICANT_DIGITS: Final = 28

ALLOWED = re.compile(
    r"(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?(?![0-9A-Za-z_.])"
    r"|\.[0-9]+(?![0-9A-Za-z_.])|(?:round|min|max|abs)\b|[-+*/%(),]|[ \t]+)*"
)


class CalculationRefused(ValueError):
    """The expression is not arithmetic that this tool does; the text is one sentence for people."""


def evaluate(expression: str) -> str:
    """Compute `expression` and return a plain decimal string, without exponent or trailing zeros.

    A result that ends (0.15 * 50000) is exact; one that does not (10 / 3) has 28 significant digits.
    `round` rounds halves away from zero, as on an invoice.

    Raises:
        CalculationRefused: it is no arithmetic, or too long, too deep or too large.
    """
    body = _parse(expression.strip())
    try:
        value = _Evaluator().eval(expression.strip(), previously_parsed=body)
    except ZeroDivisionError:
        raise CalculationRefused("The expression divides by zero.") from None
    except (InvalidExpression, TypeError) as error:
        raise CalculationRefused(
            "The expression uses something other than numbers, + - * / % **, parentheses, "
            "round, min, max and abs."
        ) from error
    return _plain(_bounded(value))


def _parse(expression: str) -> ast.expr:
    if not expression:
        raise CalculationRefused("The expression is empty.")
    if len(expression) > MAX_CHARACTERS:
        raise CalculationRefused(f"The expression has more than {MAX_CHARACTERS} characters.")
    match = ALLOWED.match(expression)
    end = match.end() if match else 0
    if end < len(expression):
        raise CalculationRefused(
            f"The expression cannot be read at {expression[end : end + 20]!r}: write numbers without "
            "separators or currency, + - * / % **, parentheses, round, min, max and abs.",
        )
    try:
        body = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise CalculationRefused("The expression is not complete or not well formed.") from None
    _check_tree(body)
    return body


def _check_tree(body: ast.expr) -> None:
    level: list[ast.AST] = [body]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        if any(isinstance(node, ast.Tuple) for node in level):
            raise CalculationRefused("Write numbers without thousands separators: 50000, not 50,000.")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    raise CalculationRefused("The expression is too deep or too long a chain: split it.")


class _Evaluator(SimpleEval):  # type: ignore[misc]  # simpleeval ships no types
    """simpleeval over fractions, with our operators and functions and nothing else."""

    def __init__(self) -> None:
        super().__init__(operators=dict(OPERATORS), functions=dict(FUNCTIONS), names={})
        self.nodes = {
            ast.BinOp: self._eval_binop,
            ast.UnaryOp: self._eval_unaryop,
            ast.Call: self._call,
            ast.Constant: self._number,
        }

    def _number(self, node: ast.Constant) -> Fraction:
        # The literal as it was written: the parsed float has already lost digits.
        return _bounded(Fraction(ast.get_source_segment(self.expr, node) or ""))

    def _call(self, node: ast.Call) -> Fraction:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise InvalidExpression("only the named functions can be called")
        arguments = [self._eval(argument) for argument in node.args]
        return _bounded(self.functions[node.func.id](*arguments))


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise CalculationRefused("The numbers become too long.")
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if abs(exponent) > MAX_EXPONENT:
        raise CalculationRefused(f"A power above {MAX_EXPONENT} is not computed.")
    if exponent.denominator != 1:
        return _root(base, exponent)
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits > 1 and (bits - 1) * abs(exponent.numerator) > MAX_BITS:
        raise CalculationRefused("The numbers become too long.")
    return Fraction(base**exponent.numerator)


def _root(base: Fraction, exponent: Fraction) -> Fraction:
    if base < 0:
        raise CalculationRefused("A negative number has no broken power.")
    context = Context(prec=50, Emin=-600, Emax=600, traps=[InvalidOperation, Overflow, Underflow])
    try:
        power = context.power(_decimal(base, context), _decimal(exponent, context))
    except (InvalidOperation, Overflow, Underflow):
        raise CalculationRefused("The power is too large, too small or not defined.") from None
    # The spare digits are dropped, so that 1000 ** (1 / 3) is 10.
    return Fraction(Context(prec=SIGNIFICANT_DIGITS).plus(power))


def _round(value: Fraction, places: Fraction = Fraction(0)) -> Fraction:
    if places.denominator != 1 or abs(places) > EXACT_DECIMALS:
        raise CalculationRefused(f"round needs a whole number of decimals up to {EXACT_DECIMALS}.")
    scale = Fraction(10) ** places.numerator
    whole = int(abs(value) * scale + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole) / scale


OPERATORS: Final[dict[type[ast.AST], Callable[..., Fraction]]] = {
    ast.Add: lambda left, right: _bounded(left + right),
    ast.Sub: lambda left, right: _bounded(left - right),
    ast.Mult: lambda left, right: _bounded(left * right),
    ast.Div: lambda left, right: _bounded(left / right),
    ast.Mod: lambda left, right: _bounded(left % right),
    ast.Pow: lambda left, right: _bounded(_power(left, right)),
    ast.USub: lambda value: -value,
    ast.UAdd: lambda value: value,
}
FUNCTIONS: Final[dict[str, Callable[..., Fraction]]] = {
    "round": _round,
    "abs": abs,
    "min": lambda *values: min(_some(values)),
    "max": lambda *values: max(_some(values)),
}


def _some(values: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    if not values:
        raise CalculationRefused("min and max need at least one number.")
    return values


def _plain(value: Fraction) -> str:
    scaled = value * 10**EXACT_DECIMALS
    if scaled.denominator == 1:
        digits = Decimal(scaled.numerator).scaleb(-EXACT_DECIMALS, Context(prec=MAX_BITS))
    else:
        digits = _decimal(value, Context(prec=SIGNIFICANT_DIGITS))
    text = format(digits, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))
