"""The sentences of the rehearsal: money, work, mail and the final answer."""

from decimal import Context, Decimal
from typing import Final

from mixus.agents.models.rehearsal.hints import KNOWN_HINTS
from mixus.agents.models.rehearsal.mail import MAX_SUBJECT

CENTS: Final = 2
MAX_BODY: Final = 10_000
MADE_BY: Final = "Made by the rehearsal of mixus: fixed rules, no language model."


def money(value: Decimal, currency: str | None, places: int | None) -> str:
    """A number as people write it: $7,500, $7,500.50, 1,234.5."""
    decimals = max(0, -int(value.as_tuple().exponent))
    if places is not None:
        decimals = max(decimals, places)
    elif currency and decimals == 1:
        decimals = CENTS
    digits = value.copy_abs().quantize(Decimal(1).scaleb(-decimals), context=Context(prec=2000))
    return f"{'-' if value < 0 else ''}{currency or ''}{digits:,f}"


def result_sentence(results: list[str]) -> str:
    if not results:
        return "There is no result."
    if len(results) == 1:
        return f"The result is {results[0]}."
    return f"The results are {listed(results)}."


def listed(results: list[str]) -> str:
    return " and ".join(piece for piece in (", ".join(results[:-1]), results[-1]) if piece)


def mail_subject(results: list[str]) -> str:
    if len(results) <= 1:
        return f"Result: {listed(results) if results else 'none'}"
    subject = f"Results: {listed(results)}"
    return subject if len(subject) <= MAX_SUBJECT else f"{len(results)} results"


def computed_sentence(computed: list[str]) -> str:
    return f"Computed: {'; '.join(computed)}." if computed else ""


def undone_sentence(undone: list[str]) -> str:
    return f"Not done in rehearsal: {'; '.join(undone)}." if undone else ""


def unknown_sentence(hint: str) -> str:
    return f"Rehearsal did not understand the hint “{hint}”; it knows: {KNOWN_HINTS}."


def joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def mail_body(results: list[str], computed: list[str], undone: list[str]) -> str:
    paragraphs = [result_sentence(results), computed_sentence(computed), undone_sentence(undone), MADE_BY]
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return body if len(body) <= MAX_BODY else f"{body[:MAX_BODY]}…\n\n{MADE_BY}"
