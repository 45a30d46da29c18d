#!/bin/sh
# Print the Python to use: $PYTHON when it is set, else the first that runs and is new enough.
set -eu

# The interpreter has to run: a pyenv shim stands on PATH for versions that are not there.
new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    if new_enough "$PYTHON"; then
        printf '%s\n' "$PYTHON"
        exit 0
    fi
    echo "error: PYTHON=$PYTHON does not run, or is older than Python 3.11" >&2
    exit 1
fi

for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
    if new_enough "$candidate"; then
        printf '%s\n' "$candidate"
        exit 0
    fi
done
echo "error: no Python 3.11 or newer found: install one (apt install python3 python3-venv), or name it: make PYTHON=..." >&2
exit 1
