"""Run the command line: the entry point of the installed command, and of `python -m sqlmigrate`."""

import gc
import os

_INTERRUPTED = 130
_NEW_OBJECTS = 100_000
"""After so many the garbage collector looks for cycles; most of what we read stays, so it would find next to none."""


def run() -> None:
    """Run the command line and exit, without a word where Ctrl-C comes before it is ready to say one."""
    gc.set_threshold(_NEW_OBJECTS)
    try:
        if "_SQLMIGRATE_COMPLETE" in os.environ:
            from sqlmigrate.cli import completing  # noqa: PLC0415  a shell asks, at each press of Tab

            completing.run()
        from sqlmigrate.cli import app as main  # noqa: PLC0415  Ctrl-C may come while it is loaded

        main.run()
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)


if __name__ == "__main__":
    run()
