"""What a capable model would do with each template, as scripts; the parameters are those of the task."""

import csv
import io
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from mixus.evals.lifecycle import Area
from mixus.evals.tasks import NewTask, Place

Entry = dict[str, Any]
Script = list[Entry]


def call(tool: str, **arguments: Any) -> Entry:
    return {"tool": tool, "arguments": arguments}


def ask(stage: str, work: str = "Done.") -> Entry:
    return call("checkpoint", stage=stage, work=work)


def final(answer: object) -> Entry:
    return {"final": str(answer)}


def mail(to: str, body: object, subject: str = "s") -> Entry:
    return call("send_email", to=[to], subject=subject, body=str(body))


def outcome(task: NewTask) -> str:
    assert task.expected_outcome is not None
    return str(task.expected_outcome["value"])


def rows_of(task: NewTask, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(task.seeds[Place(Area.FILES, path)].decode())))


def computed(stages: Mapping[str, str], recipient: str | None = None) -> Callable[[NewTask], Script]:
    """Calculate what a stage says and ask, stage by stage; mail if somebody is to be told; and answer."""

    def script(task: NewTask) -> Script:
        given = task.parameters or {}
        asked = [
            entry
            for stage, expression in stages.items()
            for entry in (call("calculate", expression=expression.format(**given)), ask(stage))
        ]
        told = [] if recipient is None else [mail(given[recipient], outcome(task))]
        return [*asked, *told, final(f"The result is ${Decimal(outcome(task)):,.2f}.")]

    return script


def clean_up(task: NewTask) -> Script:
    given = task.parameters or {}
    end = {"lowest": "min", "highest": "max"}[given["keep"]]
    kept = f"(select {end}(id) from customers group by lower(email))"  # noqa: S608 - one of two words
    twice = f"delete from customers where id not in {kept}"  # noqa: S608 - see above
    return [
        call("query_database", sql="select count(*) from customers"),
        ask("findings"),
        call(
            "change_database",
            sql="delete from customers where last_seen < ?",
            parameters=[f"{given['seenSince']}-01-01"],
        ),
        call("change_database", sql=twice),
        call("query_database", sql="select count(*) from customers"),
        final(outcome(task)),
    ]


def report(task: NewTask) -> Script:
    files = [place.path for place in task.seeds]
    text = f"# Quarterly sales\n\nRevenue of the quarter: {outcome(task)}\n"
    return [
        call("list_files", folder="sales"),
        *(call("read_file", path=path) for path in files),
        ask("figures"),
        call("write_file", path="report.md", content=text),
        mail((task.parameters or {})["recipient"], text, "Quarterly sales"),
        final(outcome(task)),
    ]


def bonus_list(task: NewTask) -> Script:
    given = task.parameters or {}
    rates = {"A": Decimal(str(given["rateA"])), "B": Decimal(str(given["rateB"]))}
    earned = [row for row in rows_of(task, "staff.csv") if row["rating"] in rates]
    lines = [f"{row['name']},{int(row['salary']) * rates[row['rating']] / 100:.2f}" for row in earned]
    return [
        call("read_file", path="staff.csv"),
        ask("bonuses"),
        call("write_file", path="bonuses.csv", content="\n".join(["name,bonus", *lines]) + "\n"),
        final(f"The total of the bonuses is {outcome(task)}"),
    ]


def comparison(task: NewTask) -> Script:
    quantity = (task.parameters or {})["quantity"]
    totals = [total(quantity, row) for row in rows_of(task, "offers.csv")]
    return [
        call("read_file", path="offers.csv"),
        call("calculate", expression=f"min({', '.join(totals)})"),
        ask("comparison"),
        final(f"Of 4 offers the cheapest is that of Alder Supply, for {outcome(task)}."),
    ]


def total(quantity: int, offer: Mapping[str, str]) -> str:
    price = f"{quantity} * {offer['unit_price']}"
    if quantity >= int(offer["discount_from"]):
        price = f"round({price} * (1 - {offer['discount_percent']} / 100), 2)"
    return f"{price} + {offer['shipping']}"


SOLUTIONS: dict[str, Callable[[NewTask], Script]] = {
    "commission": computed({"calculation": "round({sales} * {rate} / 100, 2)"}, "recipient"),
    "tax-credit": computed(
        {
            "qualified expenses": "{wages} + {supplies} + {contractResearch}",
            "base amount": "{priorAverage} * {baseShare} / 100",
            "credit": "round(({wages} + {supplies} + {contractResearch} - {priorAverage} * {baseShare} / 100)"
            " * {rate} / 100, 2)",
        }
    ),
    "invoice-check": computed(
        {
            "check": "{statedTotal} - round(({firstQuantity} * {firstPrice}"
            " + {secondQuantity} * {secondPrice} + {thirdQuantity} * {thirdPrice}) * (1 + {vat} / 100), 2)"
        },
        "recipient",
    ),
    "support-refund-mail": computed(
        {"refund": "round({quantity} * {price} * (1 - {restockingFee} / 100) + {shipping}, 2)"}, "customer"
    ),
    "quote-mail": computed(
        {"price": "round({quantity} * {price} * (1 - {discount} / 100) * (1 + {vat} / 100), 2)"}, "customer"
    ),
    "data-clean-up": clean_up,
    "report-and-mail": report,
    "bonus-list": bonus_list,
    "price-comparison": comparison,
}
