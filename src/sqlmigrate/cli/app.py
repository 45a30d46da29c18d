"""The `sqlmigrate` command: find the subcommand, and turn every error into words and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from io import StringIO, TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate import __version__
from sqlmigrate.cli.output import Output, error_as_json, saved
from sqlmigrate.errors import Error, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

COMMANDS = {
    "init": "Create the configuration and the folders of a new project.",
    "new": "Create a migration: NAME.sql and NAME.rollback.sql.",
    "import": "Convert the migrations of another tool.",
    "validate": "Check all files, without a database.",
    "status": "Show what is applied and what is pending.",
    "plan": "Print the exact SQL that would run, as a script for psql.",
    "roundtrip": "Prove rollbacks: run each pair up, down and up, and compare.",
    "review": "Report what migrations lock, rewrite and risk.",
    "explain": "Explain a hazard of a review, with examples.",
    "stats": "Read how large and how busy the tables of the target are.",
    "apply": "Apply pending migrations.",
    "rollback": "Roll back applied migrations, the newest first.",
    "mark": "Record migrations as applied without running them.",
    "unmark": "Remove migrations from the history without running anything.",
    "accept": "Record an edited file of an applied migration as it is now.",
    "redo": "Roll back the last migration and apply it again.",
    "backfill": "Look at statements that run in batches, and steer them.",
    "history": "Show who did what, when and from where.",
    "baseline": "Create a first migration from the schema of the database.",
    "dump": "Write what the migrations make as one SQL file, or check it.",
    "fleet": "Bring many databases to the same state.",
    "drift": "Compare the database with its applied migrations.",
    "seed": "Validate the seed data and apply it.",
    "config": "Show each setting and where it came from.",
    "cache": "Show what is kept between runs, or clear it.",
    "db": "Start, stop and look at the private server.",
    "completion": "Print a script that completes the words of a shell.",
}
MODULES = {"import": "importing"}  # a module cannot have the name of a keyword
ALIASES = {"up": "apply", "down": "rollback", "info": "status"}
INTERRUPTED, TERMINATED = 130, 143
_AGAIN_SECONDS = 0.01
_STAYS = "what was committed before stays: see `sqlmigrate status`"
_STOPPED = f"a transaction that was running was rolled back; {_STAYS}"
_NOT_BEGUN = "nothing was changed"
_ONLY_THROWN_AWAY = "only throwaway databases were written to, and they have been dropped"
_WRITE_ONLY_THERE = {"drift", "dump", "review", "roundtrip"}
_ONLY_READ = {"cache", "completion", "config", "explain", "history", "info", "plan", "stats", "status", "validate"}
_ONLY_READ |= {f"fleet {name}" for name in ("drift", "plan", "report", "runs", "status")}
_ONLY_READ |= {"backfill status", "seed check", "seed diff"}
_NO_TEXT_STATES = {"22021", "22P05"}
_NOT_TEXT = (
    "a name, comment or definition in the database cannot be read as UTF-8 (SHOW server_encoding; SQL_ASCII lets any "
    "bytes in): find it with psql, and write it again"
)

EPILOG = """\b
Examples:
  sqlmigrate new add_orders          create the two files, then write them
  sqlmigrate status                  what is applied, what is pending
  sqlmigrate apply                   apply what is pending
  sqlmigrate rollback                undo the last one
  sqlmigrate apply --env production  as [tool.sqlmigrate.env.production] says

\b
Exit status: 0 done, 1 failed, 2 wrong usage or refused, 3 findings,
4 run lock busy, 5 lock budget spent, 6 stopped half way, 70 a bug,
130 Ctrl-C, 143 SIGTERM.
"""


@dataclass(slots=True)
class _Called:
    """How the command that was called speaks: known in full once its options are."""

    output: Output


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; psycopg then cancels the running statement as it does for Ctrl-C."""


class _Interrupted(Error):
    """Ctrl-C."""

    exit_status = INTERRUPTED


class _Terminated(Error):
    """SIGTERM."""

    exit_status = TERMINATED


class Commands(click.Group):
    """The subcommands, each imported only when it is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Say where options stand to whoever writes them before the command."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = next((word for word in given if word in COMMANDS or word in ALIASES), None)
            if name is None:
                raise
            example = f"sqlmigrate {name} {error.option_name}"
            message = f"No option {error.option_name!r} here: options come after the command, as in `{example}`."
            raise click.UsageError(message, ctx) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  Click's signature
        """List the names in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  Click's signature
        """Import a subcommand by its name."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"sqlmigrate.cli.{MODULES.get(name, name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  same
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Offer near names for an unknown one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from sqlmigrate.cli.meant import suggested  # noqa: PLC0415  only for a mistake

            found = suggested(args[0], (*COMMANDS, *ALIASES))
            if found is None:
                raise click.UsageError(f"{error.message} `sqlmigrate --help` lists the commands.", ctx) from None
            message = f"No such command {args[0]!r}. Did you mean `sqlmigrate {found}`?"
            raise click.UsageError(message, ctx) from None


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=EPILOG,
)
@click.version_option(__version__, prog_name="sqlmigrate")
def cli() -> None:
    """Carry out PostgreSQL schema changes from plain SQL files.

    A migration is ID.sql; its undo is ID.rollback.sql beside it.
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _come_again
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # no letter of an id or a message may end us in a Latin-1 locale
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(arguments)
    except KeyboardInterrupt as error:  # once more, or while an error was being reported: what there is to say is said
        _fall_silent()
        return TERMINATED if isinstance(error, Terminated) else INTERRUPTED
    except OSError:  # stdout or stderr takes nothing any more
        _fall_silent()
        return 1


def _run(arguments: list[str]) -> int:
    """Carry out a command, and note how it ended."""
    called = _Called(Output(arguments[0] if arguments else "", as_json="--json" in arguments))
    status = _carried_out(arguments, called)
    called.output.recorder.ended(status)
    return status


def _carried_out(arguments: list[str], called: _Called) -> int:
    try:
        with cli.make_context("sqlmigrate", list(arguments)) as context:
            context.obj = called.output
            try:
                cli.invoke(context)
            finally:
                called.output = context.obj
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _usage(error, called.output)
    except Error as error:
        called.output.error(error)
        return error.exit_status
    except (KeyboardInterrupt, click.Abort) as error:
        return _stopped(error, called.output)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  the one place where everything ends
        return _unexpected(error, called.output)
    return 0


def run() -> None:
    """Run the command line and exit: the entry point of the installed command.

    Everything is closed when `main` comes back, so Python's own way out, which takes longer than a call with nothing
    to do works, is left out.
    """
    status = main()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        status = status or 1
    os._exit(status)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated


def _come_again(lost: sys.UnraisableHookArgs) -> None:
    """Let a signal come again that Python has lost: one that arrives within a callback or destructor ends nothing."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    from threading import Event, Thread, get_ident  # noqa: PLC0415  only for this moment

    number = signal.SIGTERM if isinstance(lost.exc_value, Terminated) else signal.SIGINT
    waits = get_ident()  # the main thread, where handlers run: to another one, it would not end what this one waits for
    through = Event()  # within this function, it would be lost again

    def again() -> None:
        through.wait()
        time.sleep(_AGAIN_SECONDS)
        signal.pthread_kill(waits, number)

    Thread(target=again, daemon=True).start()
    through.set()


def _fall_silent() -> None:
    """Let what is still to be printed go nowhere: nobody reads on, and Python would complain about it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())


def _usage(error: click.ClickException, output: Output) -> int:
    """Report a wrong call: as Click does, or as JSON where that was asked for."""
    from sqlmigrate.cli.meant import usage  # noqa: PLC0415  only for a mistake

    if isinstance(error, click.UsageError):
        error = click.UsageError(usage(error), error.ctx)
    if output.as_json:
        output.result(error=error_as_json(UsageError(error.format_message())))
    shown = StringIO()
    error.show(shown)
    output.always(*shown.getvalue().splitlines())
    return error.exit_code


def _stopped(error: BaseException, output: Output) -> int:
    """Report Ctrl-C or SIGTERM; Click turns both into its own Abort while it asks a question, before anything runs."""
    left = next((one.left for one in _chain(error) if isinstance(one, Interrupted)), _STOPPED)
    if isinstance(error, click.Abort):
        click.echo(err=True)  # the question's own line
        left = _NOT_BEGUN
    if output.command in _WRITE_ONLY_THERE:
        left = _ONLY_THROWN_AWAY
    if output.command in _ONLY_READ:
        left = _NOT_BEGUN
    stopped: Error = _Interrupted(f"interrupted: {left}")
    if any(isinstance(one, Terminated) for one in _chain(error)):
        stopped = _Terminated(f"terminated: {left}")
    output.recorder.failed = stopped
    if output.as_json:
        output.result(error=error_as_json(stopped))
    output.always(stopped.message)
    return stopped.exit_status


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an interruption and those before it: people press Ctrl-C twice."""
    while error is not None:
        yield error
        error = error.__context__


def _unexpected(error: Exception, output: Output) -> int:
    """Report what no other place knew: an error of PostgreSQL or the system, or a bug, with its trace in a file."""
    try:
        import psycopg  # noqa: PLC0415  only for the rare case
    except ImportError as missing:
        output.error(Error(f"psycopg cannot be loaded: {missing}", hint="pip install 'psycopg[binary]'"))
        return 1

    from sqlmigrate.errors import as_bug, redact  # noqa: PLC0415  --help needs none of it

    if isinstance(error, MemoryError):
        output.error(
            Error("there is not enough memory", hint="allow more of it (ulimit -v, the limit of the container)")
        )
        return 1
    if isinstance(error, (psycopg.Error, OSError)):
        hint = _NOT_TEXT if getattr(error, "sqlstate", None) in _NO_TEXT_STATES else None
        if isinstance(error, OSError) and output.command not in _ONLY_READ | _WRITE_ONLY_THERE:
            hint = _STAYS  # what cannot be printed any more may well have been done
        output.error(Error(redact(str(error).strip() or type(error).__name__), hint=hint))
        return 1
    bug = as_bug(error)
    output.error(bug.replaced(hint=f"please report it with {saved(bug.report)}"))
    return bug.exit_status
