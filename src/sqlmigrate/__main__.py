"""Run the command line with `python -m sqlmigrate`."""

from sqlmigrate.cli.main import run

if __name__ == "__main__":
    run()
