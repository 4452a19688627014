#!/usr/bin/env bash
# tests/gpu/run.sh [--minutes 5] [--device cuda|cpu] [--scale 1] [--out gpu-out] [--only PIECE ...]
# Tests and measures on this machine; docs/gpu.md. PYTHON: the one that holds torch (python3).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
if ! "$python" -c 'import sys, numba, numpy, PIL, scipy, torch; sys.exit(sys.version_info < (3, 11))'; then
  echo "nsgf: '$python' is no Python 3.11 or later with torch, numpy, scipy, numba and pillow" >&2
  echo "  mend  name one that is: PYTHON=/path/to/python3 tests/gpu/run.sh" >&2
  exit 1
fi
export PYTHONPATH="$root/src:$root" PYTHONUNBUFFERED=1
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1  # a job's
# Others' plug-ins and JAX's habit of taking all the memory would get in the way.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 XLA_PYTHON_CLIENT_PREALLOCATE=false
exec "$python" -m tests.gpu.kit "$@"
