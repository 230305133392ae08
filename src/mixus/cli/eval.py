"""`mixus eval`: create, follow and decide executions over HTTP."""

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from mixus.cli import eval_metrics
from mixus.cli import eval_request as request
from mixus.cli import eval_waiting as waiting
from mixus.cli.eval_server import refusals_told, server

if TYPE_CHECKING:
    from mixus.client import Checkpoint, Status

app = typer.Typer(
    name="eval",
    help="Create, follow and decide executions over HTTP.",
    no_args_is_help=True,
    add_completion=False,
)

ExecutionArgument = Annotated[str, typer.Argument(metavar="ID", help="An execution: exe_…")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the server's JSON.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until it pauses or ends.")]


@app.command()
def create(
    description: request.DescriptionArgument = None,
    template: request.TemplateOption = None,
    parameter: request.ParameterOption = None,
    file: request.FileOption = None,
    name: request.NameOption = None,
    checkpoint: request.CheckpointOption = None,
    auto: request.AutoOption = None,
    test_mode: request.ModeOption = None,
    reviewer: request.ReviewerOption = None,
    model: request.ModelOption = None,
    script: request.ScriptOption = None,
    review_result: request.ReviewResultOption = False,
    expect: request.ExpectOption = None,
    tolerance: request.ToleranceOption = None,
    environment: request.EnvironmentOption = None,
    tool: request.ToolOption = None,
    max_steps: request.MaxStepsOption = None,
    max_cost_usd: request.MaxCostOption = None,
    max_tokens: request.MaxTokensOption = None,
    timeout_ms: request.TimeoutOption = None,
    review_timeout_ms: request.ReviewTimeoutOption = None,
    escalate_to: request.EscalateOption = None,
    on_review_timeout: request.OnTimeoutOption = None,
    metadata: request.MetadataOption = None,
    idempotency_key: request.IdempotencyOption = None,
    wait: WaitOption = False,
    json: JsonOption = False,
) -> None:
    """Create an execution and start it."""
    options = {
        "template": template,
        "parameters": request.read_parameters(parameter),
        "taskName": name,
        "checkpoints": request.read_checkpoints(checkpoint),
        "autoDetectCheckpoints": auto,
        "testMode": test_mode,
        "assignedReviewer": reviewer,
        "model": model,
        "script": request.read_script(script),
        "reviewResult": review_result or None,
        "expectedOutcome": request.read_expected(expect, tolerance),
        "environment": environment,
        "tools": tool or None,
        "maxSteps": max_steps,
        "maxCostUsd": max_cost_usd,
        "maxTokens": max_tokens,
        "timeoutMs": timeout_ms,
        "reviewTimeoutMs": review_timeout_ms,
        "escalateTo": escalate_to,
        "onReviewTimeout": on_review_timeout,
        "metadata": request.read_metadata(metadata),
    }
    submit(request.request_body(description, file, options), idempotency_key, wait=wait, json=json)


@app.command()
def templates(json: JsonOption = False) -> None:
    """List the ready tasks, and what they take."""
    from mixus.cli import eval_output as output
    from mixus.cli.eval_templates import print_templates

    with server() as client:
        found = list(client.templates())
    if json:
        output.print_json([template.raw for template in found])
    else:
        print_templates(found)


@app.command()
def status(
    execution_id: ExecutionArgument,
    wait: Annotated[
        float | None, typer.Option("--wait", min=0, metavar="SECONDS", help="Wait until it pauses or ends.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show an execution: state, checkpoints, result, times."""
    with server() as client:
        report(
            waiting.wait_for(client, execution_id, wait) if wait else client.status(execution_id), json=json
        )


@app.command(name="list")
def list_executions(
    status: request.StatusOption = None,
    test_mode: request.ModeOption = None,
    query: request.QueryOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    json: JsonOption = False,
) -> None:
    """List executions, the newest first."""
    from mixus.cli import eval_output as output

    with server() as client:
        found = client.executions(status=status, test_mode=test_mode, q=query, page_size=min(limit, 200))
        executions = list(islice(found, limit))
    if json:
        output.print_json([execution.raw for execution in executions])
    else:
        output.print_executions(executions)


@app.command()
def watch(execution_id: ExecutionArgument, json: JsonOption = False) -> None:
    """Show what happens, line by line, until it pauses or ends."""
    import asyncio

    from mixus.cli.eval_watch import follow

    with refusals_told():
        final = asyncio.run(follow(execution_id, json=json))
        if not json:
            typer.echo()
        report(final, json=json)


@app.command()
def decide(
    execution_id: ExecutionArgument,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="chk_…; the one that waits, when it is the only one.")
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Let what is shown happen.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="End the execution.")] = False,
    hint: Annotated[str | None, typer.Option("--hint", help="Have the stage done again with this.")] = None,
    comment: Annotated[str | None, typer.Option("--comment", help="Why; kept with the decision.")] = None,
    edit: request.EditOption = None,
    wait: WaitOption = False,
    json: JsonOption = False,
) -> None:
    """Show what waits for a decision, and decide it."""
    from mixus.cli import eval_output as output

    chosen = [approve, reject, hint is not None]
    if chosen.count(True) != 1:
        raise typer.BadParameter("Choose one of --approve, --reject and --hint TEXT.")
    action: Literal["approve", "reject", "hint"] = (
        "hint" if hint is not None else "approve" if approve else "reject"
    )
    edits = request.read_edits(edit)
    if edits and not approve:
        raise typer.BadParameter("An edit goes with --approve.", param_hint="--edit")
    with server() as client:
        shown = find_checkpoint(client.status(execution_id), checkpoint)
        output.print_checkpoint(shown, error_stream() if json else None)
        decided = client.decide(
            execution_id,
            shown.checkpoint_id,
            action,
            attempt=shown.attempt,
            hint=hint,
            comment=comment,
            edits=request.named_edits(edits, [each.action_id for each in shown.proposed_actions]),
        )
        if not json:
            typer.echo(f"\nRecorded: {action}, attempt {shown.attempt}." + ("\n" if wait else ""))
        if wait:
            report(waiting.wait_patiently(client, execution_id), json=json)
    if json:
        output.print_json(decided.raw)


@app.command()
def cancel(execution_id: ExecutionArgument, json: JsonOption = False) -> None:
    """Cancel an execution at once."""
    from mixus.cli import eval_output as output
    from mixus.cli.terminal import line

    with server() as client:
        cancelled = client.cancel(execution_id)
    if json:
        output.print_json(cancelled.raw)
    else:
        typer.echo(f"Cancelled {line(execution_id)}.")


app.command()(eval_metrics.metrics)
app.command()(eval_metrics.export)


def submit(body: dict[str, Any], idempotency_key: str | None, *, wait: bool, json: bool) -> None:
    from mixus.cli import eval_output as output

    with server() as client:
        created = client.create_from_request(body, idempotency_key=idempotency_key)
        if wait or not json:
            # Where the JSON of the end goes to standard output, the id is on standard error before the wait.
            output.print_created(created, error_stream() if json else None)
        if wait:
            if not json:
                typer.echo()
            report(waiting.wait_patiently(client, created.execution_id), json=json)
    if json:
        output.print_json(created.raw)
    raise typer.Exit(output.UNDER_WAY)


def report(status: "Status", *, json: bool) -> None:
    """Print where an execution is, and end with the exit code that says so."""
    from mixus.cli import eval_output as output

    if json:
        output.print_json(status.raw)
    else:
        output.print_status(status)
    raise typer.Exit(output.exit_code(status))


def find_checkpoint(status: "Status", checkpoint_id: str | None) -> "Checkpoint":
    from mixus.client import Conflict, NotFound

    if checkpoint_id is not None:
        for checkpoint in status.checkpoints:
            if checkpoint.checkpoint_id == checkpoint_id:
                return checkpoint
        raise NotFound(
            "This execution has no such checkpoint; mixus eval status shows them.", code="not-found"
        )
    if not status.awaiting:
        raise Conflict(
            f"Nothing waits for a decision: the execution is {status.status}.", code="not-awaiting"
        )
    if len(status.awaiting) > 1:
        raise typer.BadParameter("Several checkpoints wait; name one.", param_hint="--checkpoint")
    return status.awaiting[0]


def error_stream() -> TextIO:
    return sys.stderr
