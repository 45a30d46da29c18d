#!/bin/sh
# Make .venv and install the package with one extra into it. Does nothing, and needs no network, when that is done.
#   usage: tools/venv.sh embedded|dev
set -eu
cd "$(dirname "$0")/.."

extra=$1
venv=.venv
stamp=$venv/sqlmigrate-installed

# The user's own pip settings must not send packages anywhere else than into .venv.
unset PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONHOME PYTHONPATH VIRTUAL_ENV
export PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1

say() {
    echo "$*" >&2
}

identity() {
    "$1" -c 'import sys; print(sys.version, sys.base_prefix)' 2>/dev/null
}

# True when .venv runs, was made in this folder (a copied one has scripts that call the old place), and is of the
# Python that was asked for.
usable() {
    [ -f "$venv/bin/pip" ] && grep -qF -e "$(pwd -P)/$venv/" -e "$(pwd)/$venv/" "$venv/bin/pip" || return 1
    identity "$venv/bin/python" >/dev/null || return 1
    [ -z "${PYTHON:-}" ] || [ "$(identity "$PYTHON")" = "$(identity "$venv/bin/python")" ]
}

# One way to make .venv; what a failing one leaves must go before the next try.
attempt() {
    rm -rf "$venv"
    if output=$("$@" 2>&1 </dev/null); then
        return 0
    fi
    rm -rf "$venv"
    problems="$problems
\$ $*
$output"
    return 1
}

# Debian's python3 has venv without ensurepip: it fails after it has made half an environment.
make_venv() {
    problems=
    python=$(sh tools/find-python.sh)
    say "making $venv with $("$python" -V)"
    attempt "$python" -m venv "$venv" && return
    if "$python" -c 'import virtualenv' 2>/dev/null; then
        attempt "$python" -m virtualenv --quiet "$venv" && return
    fi
    if command -v uv >/dev/null; then
        attempt uv venv --quiet --seed --python "$python" "$venv" && return
        # uv brings certificates of its own, which do not know a company's proxy.
        attempt env UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 uv venv --quiet --seed --python "$python" "$venv" && return
    fi
    say "$problems"
    say "error: $python cannot make a virtual environment: install venv (apt install python3-venv), virtualenv or uv"
    exit 1
}

install() {
    rm -f "$stamp"
    say "installing into $venv: sqlmigrate[$extra]"
    # The build backend is installed first, from the same pins, so that the build itself needs no network.
    "$venv/bin/python" -m pip install -qq -c constraints.txt hatchling editables
    "$venv/bin/python" -m pip install -qq -c constraints.txt --no-build-isolation -e ".[$extra]"
    printf '%s\n' "$wanted" "$extra" >"$stamp.new"
    mv "$stamp.new" "$stamp"
}

# The extra dev contains embedded, so what dev has installed serves both.
installed() {
    [ -f "$stamp" ] && [ "$(sed -n 1p "$stamp")" = "$wanted" ] || return 1
    case $(sed -n 2p "$stamp") in dev | "$extra") return 0 ;; esac
    return 1
}

wanted=$(cat pyproject.toml constraints.txt | cksum)
usable || make_venv
installed || install
