#!/usr/bin/env bash
# Install the locked environment into a virtual environment: torch by version, the rest by hash.
# Without PYTHON, the first supported Python that runs is taken.
set -euo pipefail
venv=$1
python=${PYTHON:-}
names="python3.11 python3.12 python3.13 python3"

stop() {
  printf 'nsgf: %s\n  mend  %s\n' "$1" "$2" >&2
  exit 1
}
supported() { # the range of `requires-python` in pyproject.toml
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# A name may be on the PATH and yet not run, as a version manager's stand-ins do.
for name in $names; do
  [ -n "$python" ] || ! supported "$name" || python=$name
done
if ! supported "${python:-python3}"; then
  found=$("${python:-python3}" --version 2>/dev/null) || found="missing or does not run"
  stop "setting up needs Python 3.11, 3.12 or 3.13; '${python:-python3}' is $found" \
    "install one of them and run: make setup PYTHON=/path/to/python3.12"
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  stop "'$python' cannot make virtual environments (it lacks ensurepip)" \
    "install its venv package (Debian: python$(version "$python")-venv) and run make setup again"
fi
cd "$(dirname "$0")/.."
if kept=$(version "$venv/bin/python"); then # from an earlier set-up
  if ! supported "$venv/bin/python" || [ "${PYTHON:+$(version "$python")}" != "${PYTHON:+$kept}" ]; then
    stop "$venv holds Python $kept, and '$python' is $(version "$python")" \
      "remove $venv and run make setup again"
  fi
fi
run() {
  "$@" || stop "set-up stopped at: $*" \
    "check the network and the free space (7 GB), then run make setup again"
}
echo "Setting up $venv: about 6 GB, 2 to 5 minutes"
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || run "$python" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"
run $pip install --quiet -r requirements/torch.txt
run $pip install --quiet --require-hashes --no-deps -r requirements/lock.txt
run $pip install --quiet --no-deps --no-build-isolation --editable .
run $pip check
