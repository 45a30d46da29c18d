"""Run the command line: the entry point of the installed command, and of `python -m sqlmigrate`."""

import gc
import os
import sys

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


def _leave_working_folder() -> None:
    """Take no module from the working folder, which `python -m` searches first: a checkout may hold a `json.py`.

    What has been imported so far is frozen or built in. https://docs.python.org/3/using/cmdline.html#cmdoption-m
    """
    try:
        folder = os.getcwd()  # noqa: PTH109  pathlib is a file
    except OSError:  # it is gone, and is not searched
        return
    if not sys.flags.safe_path and sys.path[0] == folder:
        del sys.path[0]


if __name__ == "__main__":
    _leave_working_folder()
    run()
