#!/bin/sh
# What the wheel of dist/ installs, with the extras for users: as a list (sbom), or asked about at PyPI (audit).
#   usage: tools/supply-chain.sh sbom|audit
set -eu
cd "$(dirname "$0")/.."
unset PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONHOME PYTHONPATH VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1

tools=build/supply-chain/tools
installed=build/supply-chain/installed
python=.venv/bin/python

"$python" -m venv "$tools"
"$tools/bin/python" -m pip install -qq "cyclonedx-bom==$CYCLONEDX" "pip-audit==$PIP_AUDIT"
rm -rf "$installed"
"$python" -m venv --without-pip "$installed"
"$python" -m pip --python "$installed/bin/python" install -qq -c constraints.txt \
    "$(ls "$PWD"/dist/pg_sqlmigrate-*.whl)[embedded,fleet,review]"

case $1 in
sbom)
    version=$("$installed/bin/python" -c 'from importlib.metadata import version; print(version("pg-sqlmigrate"))')
    sed "s/^dynamic = .*/version = \"$version\"/" pyproject.toml >build/supply-chain/pyproject.toml
    "$tools/bin/cyclonedx-py" environment --output-reproducible --pyproject build/supply-chain/pyproject.toml --of JSON \
        -o dist/sbom.cdx.json "$installed/bin/python"
    echo "wrote dist/sbom.cdx.json"
    ;;
audit)
    "$python" -m pip --python "$installed/bin/python" freeze --exclude pg-sqlmigrate >build/supply-chain/packages.txt
    status=0
    "$tools/bin/pip-audit" --no-deps --disable-pip -r build/supply-chain/packages.txt --progress-spinner off \
        >build/supply-chain/audit.txt 2>build/supply-chain/audit.err || status=$?
    # A package of which PyPI said nothing is skipped, and the status is 0 even so.
    if grep -q 'could not be audited' build/supply-chain/audit.txt || ! grep -q . build/supply-chain/audit.err; then
        echo "error: PyPI's advisories cannot be asked here; see build/supply-chain/audit.txt" >&2
        exit 1
    fi
    cat build/supply-chain/audit.txt build/supply-chain/audit.err
    exit $status
    ;;
esac
