"""`mixus demo`: the main job once, on real parts, saying each step."""

import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixus.agents import provider_keys
from mixus.cli.demo_server import DemoFailed, DemoServer, running, status_line

if TYPE_CHECKING:
    from mixus.cli.demo_show import Stage
    from mixus.client import Checkpoint, Client, Status

REVIEWER = "reviewer@example.org"
TASK = "Calculate a 15% commission on $50,000 in sales, then e-mail the result to pay@example.org."
QUESTION = "Is the result $7,500?"
HINT = "cc bob@example.org"
# A rehearsal answers at once; a real model may think.
PATIENCE_SECONDS = 180.0


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it up, with a task that waits.")] = False,
    model: Annotated[str | None, typer.Option("--model", help="For example openai:NAME.")] = None,
) -> None:
    """Run one task from start to verified end on a server of its own."""
    variable = provider_keys.missing_key(model or "")
    if variable is not None:
        raise DemoFailed(f"The model {model} needs {variable}; set it, or leave the model out.")
    from mixus.cli.demo_show import Stage
    from mixus.client import MixusError

    stage = Stage()
    try:
        final = perform(stage, model, keep=keep)
    except MixusError as error:
        raise DemoFailed(f"The demo failed: {error}") from error
    if final is not None:
        print(status_line(final.raw), flush=True)


def perform(stage: "Stage", model: str | None, *, keep: bool) -> "Status | None":
    from mixus.client import Client

    stage.step("Start a server on a free port, with SQLite in a temporary folder.")
    with running(model) as server:
        stage.note(f"mixus serve: {server.url}, model {model or 'rehearsal'}")
        stage.step("Make an account and a key.")
        key = make_key(stage, server)
        with Client(key, server.url) as client:
            final = evaluate(stage, client)
            prove_refusals(stage, client, server, final)
            if keep:
                wait_for_people(stage, client, server, key)
                return None
        stage.step("Stop the server and remove its folder. The final status, as JSON:")
    return final


def make_key(stage: "Stage", server: DemoServer) -> str:
    server.command("user", "create", REVIEWER)
    key = server.command("keys", "create", "--user", REVIEWER, "--name", "demo", "--scope", "eval:manage")
    stage.note(f"mixus user create {REVIEWER}")
    stage.note(f"mixus keys create --user {REVIEWER} --name demo --scope eval:manage")
    stage.note(f"The key ends in …{key[-4:]} and is shown once.")
    return key


def evaluate(stage: "Stage", client: "Client") -> "Status":
    """The task from its start to its end: a hint at the first pause, an approval at every later one."""
    stage.step("Give the agent a task with one checkpoint.")
    stage.note(TASK)
    status = create(client)
    if status.rehearsal:
        stage.note("The rehearsal model follows rules; it is no language model and costs nothing.")
    has_hinted = False
    while status.is_awaiting:
        for checkpoint in status.awaiting:
            decide(stage, client, status, checkpoint, hint=None if has_hinted else HINT)
            has_hinted = True
        status = client.wait(status.execution_id, timeout_seconds=PATIENCE_SECONDS)
    if status.status != "completed":
        reason = status.error.message if status.error else "no reason was given."
        raise DemoFailed(f"The task ended {status.status}: {reason}")
    stage.step("The task is completed.")
    stage.result(status)
    stage.note("The mail went to the sandbox of this execution: it is recorded, and was not sent.")
    return status


def create(client: "Client") -> "Status":
    """The task, up to its first pause."""
    created = client.create_task_agent(
        TASK,
        task_name="Commission",
        checkpoints=[
            {
                "stage": "calculation",
                "description": "The commission, before anyone is told.",
                "verification_question": QUESTION,
            }
        ],
    )
    return client.wait(created.execution_id, timeout_seconds=PATIENCE_SECONDS)


def decide(
    stage: "Stage", client: "Client", status: "Status", checkpoint: "Checkpoint", *, hint: str | None
) -> None:
    stage.step("The agent pauses: nothing is sent until somebody has looked.")
    stage.checkpoint(checkpoint)
    client.decide(
        status.execution_id,
        checkpoint.checkpoint_id,
        "approve" if hint is None else "hint",
        attempt=checkpoint.attempt,
        hint=hint,
    )
    said = "approves" if hint is None else f'gives a hint, "{hint}"'
    stage.note(f"A script stands in for the reviewer and {said}.")


def prove_refusals(stage: "Stage", client: "Client", server: DemoServer, final: "Status") -> None:
    from mixus.client import Client, Conflict, Unauthorized
    from mixus.keys.tokens import generate

    stage.step("What must be refused is refused.")
    decided = final.checkpoints[0]
    try:
        client.decide(final.execution_id, decided.checkpoint_id, "reject", attempt=decided.attempt)
    except Conflict as refused:
        stage.note(f"A second decision: {refused.status}. {refused.detail}")
    else:
        raise DemoFailed("A second decision was accepted, and it must not be.")
    try:
        with Client(generate(), server.url) as stranger:
            stranger.status(final.execution_id)
    except Unauthorized as refused:
        stage.note(f"An unknown key: {refused.status}. {refused.detail}")
    else:
        raise DemoFailed("An unknown key was let in, and it must not be.")


def wait_for_people(stage: "Stage", client: "Client", server: DemoServer, key: str) -> None:
    """A second task that waits, and the words to decide it; until Ctrl-C."""
    stage.step("A second task waits for you. In a browser, or in another terminal:")
    status = create(client)
    token = server.command("user", "link", REVIEWER)
    for line in instructions(status, server.url, key, token):
        stage.copyable(line)
    try:
        decided = client.wait(status.execution_id, "final")
        stage.step(f"The second task is {decided.status}. Ctrl-C stops the server.")
        signal.pause()
    except KeyboardInterrupt:
        stage.note("Stopped.")


def instructions(status: "Status", url: str, key: str, token: str) -> tuple[str, ...]:
    checkpoint = status.awaiting[0]
    path = f"/api/eval/executions/{status.execution_id}/checkpoints/{checkpoint.checkpoint_id}/decision"
    mixus = shutil.which("mixus") or Path(sys.executable).with_name("mixus")
    return (
        f"{url}/join/{token}",
        f"lets you in, once, as {REVIEWER}: choose a password there. Then decide at",
        f"{url}/review/{status.execution_id}",
        "",
        "or in a shell:",
        "",
        f"export MIXUS_URL={url} MIXUS_API_KEY={key}",
        f"{mixus} eval decide {status.execution_id} --approve --wait",
        "",
        "or, with the same two variables:",
        "",
        f'curl -sS "$MIXUS_URL{path}" \\',
        '  -H "Authorization: Bearer $MIXUS_API_KEY" -H "Content-Type: application/json" \\',
        f"""  -d '{{"attempt": {checkpoint.attempt}, "action": "approve"}}'""",
        "",
        "Ctrl-C stops the server and removes its data.",
    )
