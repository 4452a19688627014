#!/usr/bin/env bash
# Install the locked environment into a virtual environment: torch by version, the rest by hash.
set -euo pipefail
venv=$1
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
  echo "nsgf: setting up needs Python 3.11; '${python:-python3}' is $("$python" --version 2>&1 || echo missing)" >&2
  echo "  mend  install Python 3.11 and run: make setup PYTHON=/path/to/python3.11" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  echo "nsgf: '$python' cannot make virtual environments (it lacks ensurepip)" >&2
  echo "  mend  install its venv package (Debian: python3.11-venv) and run make setup again" >&2
  exit 1
fi
cd "$(dirname "$0")/.."
run() {
  "$@" || { echo "nsgf: set-up stopped at: $*" >&2
            echo "  mend  check the network and the free space (7 GB), then run make setup again" >&2
            exit 1; }
}
echo "Setting up $venv: about 6 GB, 2 to 5 minutes"
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || run "$python" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"
run $pip install --quiet -r requirements/torch.txt
run $pip install --quiet --require-hashes --no-deps -r requirements/lock.txt
run $pip install --quiet --no-deps --no-build-isolation --editable .
run $pip check
