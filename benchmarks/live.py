"""`python -m benchmarks.live [TEMPLATE …]`: how a provider's model does on the templates, as a table.

Serves mixus on a folder of its own, approves every checkpoint, and spends the money of whoever's key is set.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NoReturn

from benchmarks.processes import NotStarted
from benchmarks.report import RESULTS
from benchmarks.service import running
from mixus.agents import provider_keys
from mixus.client import Client, MixusError, Status, TimedOut
from mixus.core.clock import utc_now

MODEL: Final = "MIXUS_LIVE_MODEL"
# Enough for any of them; a model that goes round in circles shall not cost much.
MOST_STEPS: Final = 40
PATIENCE_SECONDS: Final = 900.0
COLUMNS: Final = (
    "model",
    "template",
    "status",
    "score",
    "steps",
    "tokens",
    "cost in USD",
    "agent seconds",
    "answer",
)
LONGEST_ANSWER: Final = 80
# They say where a provider is and how to speak to it, beside those that mixus itself names.
FURTHER: Final = ("OPENAI_BASE_URL", provider_keys.OLLAMA_KEY, provider_keys.COMPATIBLE_KEY)


@dataclass(frozen=True)
class Run:
    """What came of one template; `status` is None where it was not even created."""

    template: str
    status: Status | None
    problem: str = ""

    @property
    def is_passed(self) -> bool:
        return self.status is not None and self.status.score is not None and bool(self.status.score.passed)


def main() -> None:
    asked = arguments()
    model = os.environ.get(MODEL, "")
    problem = missing(model)
    if problem is not None:
        nothing_was_run(problem)
    runs = []
    try:
        for run in measured(model, asked.templates):
            runs.append(run)
            print(f"{run.template}: {outcome(run)}", flush=True)
    except NotStarted as refused:
        # A library of the provider is missing, or another setting of the environment is wrong.
        nothing_was_run(str(refused).strip())
    path = write(model, runs, asked.results)
    print(f"Written to {path}")
    sys.exit(0 if runs and all(run.is_passed for run in runs) else 1)


def nothing_was_run(problem: str) -> NoReturn:
    print(f"Nothing was run: {problem}", file=sys.stderr)
    sys.exit(2)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live", description="Run the templates on a real model."
    )
    parser.add_argument("templates", nargs="*", metavar="TEMPLATE", help="some of them; else all")
    parser.add_argument("--results", type=Path, metavar="FILE", help="where the table is written")
    return parser.parse_args()


def missing(model: str) -> str | None:
    """What has to be set first, in one sentence."""
    if not provider_keys.is_provided(model):
        return f"set {MODEL}=provider:name, of {', '.join(provider_keys.VARIABLES)}."
    variable = provider_keys.missing_key(model)
    return None if variable is None else f"set {variable} for {model}."


def measured(model: str, wanted: list[str]) -> Iterator[Run]:
    """One after the other, so that times are those of the model and not of a queue."""
    names = {*provider_keys.VARIABLES.values(), *FURTHER}
    variables = {name: os.environ[name] for name in names if name in os.environ}
    # A model that answers at once would meet the limit of a key, and wait for it.
    variables |= {"MIXUS_MODEL": model, "MIXUS_REQUESTS_PER_MINUTE": "10000"}
    with (
        TemporaryDirectory(prefix="mixus-live-", ignore_cleanup_errors=True) as folder,
        running(Path(folder), **variables) as service,
        service.client() as client,
    ):
        for name in wanted or [template.name for template in client.templates()]:
            yield carried_out(client, name)


def carried_out(client: Client, template: str) -> Run:
    try:
        created = client.create_task_agent(template=template, max_steps=MOST_STEPS)
        return Run(template, approved(client, created.execution_id))
    except MixusError as refused:
        return Run(template, None, refused.detail)


def approved(client: Client, execution_id: str) -> Status:
    """Its end; every checkpoint is approved as it comes."""
    try:
        status = client.wait(execution_id, timeout_seconds=PATIENCE_SECONDS)
        while not status.is_final:
            for checkpoint in status.awaiting:
                client.decide(execution_id, checkpoint.checkpoint_id, "approve", attempt=checkpoint.attempt)
            status = client.wait(execution_id, timeout_seconds=PATIENCE_SECONDS)
    except TimedOut:
        client.cancel(execution_id)
        return client.status(execution_id)
    return status


def write(model: str, runs: list[Run], chosen: Path | None) -> Path:
    now = utc_now()
    path = chosen or RESULTS / f"live-{now:%Y%m%d-%H%M%S}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    passed = sum(run.is_passed for run in runs)
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(cells(model, run) for run in runs)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    title = f"# Templates on {model}, {now:%Y-%m-%d}"
    summary = f"{passed} of {len(runs)} passed. Every checkpoint was approved; all in the sandbox."
    path.write_text(f"{title}\n\n{summary}\n\n{table}\n")
    return path


def cells(model: str, run: Run) -> tuple[str, ...]:
    status = run.status
    if status is None:
        return (model, run.template, "not created", "-", "-", "-", "-", "-", shown(run.problem))
    metrics = status.metrics
    tokens = None if metrics.input_tokens is None else metrics.input_tokens + (metrics.output_tokens or 0)
    return (
        model,
        run.template,
        status.status,
        outcome(run),
        str(metrics.steps),
        "unknown" if tokens is None else str(tokens),
        "unknown" if metrics.cost_usd is None else f"{metrics.cost_usd:.4f}",
        f"{metrics.agent_ms / 1000:.1f}",
        shown(status.result if status.error is None else status.error.message),
    )


def outcome(run: Run) -> str:
    if run.status is None:
        return run.problem
    if run.status.score is None:
        return f"not scored ({run.status.status})"
    return "passed" if run.is_passed else f"not passed: {shown(run.status.score.detail)}"


def shown(said: object) -> str:
    """What a model said, as one cell of a table."""
    line = " ".join(str(said or "").split()).replace("|", "/")
    return line if len(line) <= LONGEST_ANSWER else f"{line[: LONGEST_ANSWER - 1]}…"


if __name__ == "__main__":
    main()
