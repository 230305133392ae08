"""The `mixus` command: names every command and imports only the one that is called."""

import io
import os
import re
import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from mixus.core.errors import MixusError

# Name, where it stands and what `--help` says of it: a list of our own, so that help imports none of them.
COMMANDS = {
    "demo": ("mixus.cli.demo", "demo", "Run one task from start to verified end on a server of its own."),
    "serve": ("mixus.cli.serve", "serve", "Serve the API, with a worker in the same process."),
    "worker": ("mixus.cli.serve", "worker", "Run a worker alone, beside servers on the same Postgres."),
    "db": ("mixus.cli.database", "app", "Upgrade or check the database."),
    "user": ("mixus.cli.users", "app", "Make, list and change accounts on the server's own data."),
    "keys": ("mixus.cli.keys", "app", "Make, list, check and revoke API keys on the server's own data."),
    "audit": ("mixus.cli.audit", "app", "List or export who did what, on the server's own data."),
    "eval": ("mixus.cli.eval", "app", "Create, follow and decide evaluations over HTTP."),
}


KEY_LIKE = re.compile(r"mxs_eval_[0-9A-Za-z]{8}")
NO_KEY_HERE = (
    "One of the arguments holds a key, which your shell keeps in its history and shows to others: "
    "rotate that key. A key goes into MIXUS_API_KEY or to standard input; commands name it by its id, key_…"
)


class Commands(TyperGroup):
    """Shows a stub of each command and loads the real one when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, _, sentence) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=sentence))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's signature
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in COMMANDS:
            self.add_command(load(args[0]))
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> None:
    """Run the command line; a refusal is one sentence on standard error and exit code 1."""
    prepare()
    try:
        app(prog_name="mixus")
    except MixusError as error:
        fail(error.detail)
    except OSError as error:
        fail(f"Cannot use {error.filename or 'the data folder'}: {error.strerror or 'the system refused'}.")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "mixus":
            raise
        fail(f"This command needs `{error.name}`, which comes with the server: pip install 'mixus[server]'.")
    except Exception as error:
        # Named by where it comes from, because importing the toolkit would slow down every command.
        if not type(error).__module__.startswith("sqlalchemy."):
            raise
        fail(f"The database cannot be used ({type(error).__name__}): look at its address, file and rights.")


def prepare() -> None:
    """What holds for every command, before its arguments are read."""
    # The database and the pepper are for this user alone, whatever the folder says.
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of ASCII shows the rest by its codes, and what goes to both comes in order.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    if any(KEY_LIKE.search(argument) for argument in sys.argv[1:]):
        # What is wrong with the command would be said with the key in it.
        print(NO_KEY_HERE, file=sys.stderr)
        sys.exit(2)


def fail(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(1)


def load(name: str) -> Any:
    module, attribute, sentence = COMMANDS[name]
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        found = single
    found.pretty_exceptions_enable = False
    command = typer.main.get_command(found)
    command.name, command.help = name, command.help or sentence
    return command


def show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"mixus {version('mixus')}")
        raise typer.Exit


@app.callback()
def mixus(
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Trust AI agents by evaluating them with a human in the loop."""


if __name__ == "__main__":
    run()
