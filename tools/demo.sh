#!/bin/sh
# The main job on the embedded PostgreSQL: "run" carries out this repository's own change in a fresh state directory,
# "undo" takes the last migration back there, "clean" removes its data.
#   usage: tools/demo.sh run|undo|clean
set -eu
cd "$(dirname "$0")/.."

# Settings of the user's own must not divert the demo; --embedded beats DATABASE_URL and its like.
for name in $(env | sed -n 's/^\(SQLMIGRATE_[A-Z_]*\)=.*/\1/p'); do
    [ "$name" = SQLMIGRATE_PG_BINDIR ] || unset "$name"
done
PATH=$(pwd)/.venv/bin:$PATH
# Usually .sqlmigrate/demo; somewhere else where the server's account cannot reach that.
SQLMIGRATE_STATE_DIR=$(python -c 'from pathlib import Path; from sqlmigrate.server import state_dir
print(state_dir(Path.cwd()) / "demo")')
export SQLMIGRATE_STATE_DIR PATH

show() {
    printf '\n$ sqlmigrate %s\n' "$*"
    sqlmigrate "$@"
}

case ${1:-} in
run)
    sqlmigrate db reset --embedded --yes --quiet >/dev/null
    show apply --embedded
    show seed --embedded
    show status --embedded
    show roundtrip
    printf '\nThe change is in, and its rollback is proven. Take it back with: make undo\n'
    ;;
undo)
    show rollback --embedded --accept-loss
    show status --embedded
    ;;
clean)
    sqlmigrate db reset --embedded --yes --quiet
    ;;
*)
    echo "usage: tools/demo.sh run|undo|clean" >&2
    exit 2
    ;;
esac
