"""Run the command line: the entry point of the installed command, and of `python -m sqlmigrate`."""

import os

_INTERRUPTED = 130


def run() -> None:
    """Run the command line and exit, without a word where Ctrl-C comes before it is ready to say one."""
    try:
        from sqlmigrate.cli import app as main  # noqa: PLC0415  Ctrl-C may come while it is loaded

        main.run()
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)


if __name__ == "__main__":
    run()
