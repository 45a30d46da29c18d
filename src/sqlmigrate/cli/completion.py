"""`sqlmigrate completion`."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import common

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App

SHELLS = ("bash", "zsh", "fish")
EPILOG = """\b
Examples:
  sqlmigrate completion bash

\b
To have it in each new shell (in zsh, compinit comes before):
  bash  echo 'eval "$(sqlmigrate completion bash)"' >>~/.bashrc
  zsh   echo 'eval "$(sqlmigrate completion zsh)"' >>~/.zshrc
  fish  sqlmigrate completion fish >~/.config/fish/completions/sqlmigrate.fish
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS))
@common
def command(app: App, *, shell: str) -> None:
    """Print a script that completes commands, options, ids, environments and hazard codes in a shell.

    The ids are those of the files in the folder; no database is asked.
    """
    text = (files(__package__) / "shells" / f"{shell}.sh").read_text(encoding="utf-8")
    app.output.result(shell=shell, script=text)
    if not app.output.as_json:
        click.echo(text, nl=False)
