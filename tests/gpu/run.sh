#!/usr/bin/env bash
# tests/gpu/run.sh [--minutes 5] [--device cuda|cpu] [--scale 1] [--out gpu-out] [--only PIECE ...]
# Tests and measures on this machine; docs/gpu.md. PYTHON: the one that holds torch (python3).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
stop() {
  printf 'nsgf: %s\n  mend  %s\n' "$1" "$2" >&2
  exit 1
}
check='import sys, numba, numpy, PIL, scipy, torch
asked = " ".join(sys.argv[1:]).replace("=", " ").split()
sys.exit(3 * (not torch.cuda.is_available() and not {"cpu", "--help", "-h"} & {*asked}) or sys.version_info < (3, 11))'
code=0
"$python" -c "$check" "$@" || code=$?
[ $code != 3 ] || stop "torch finds no CUDA device" "run where there is one, or try: --device cpu"
[ $code = 0 ] || stop "'$python' is no Python 3.11 with torch, numpy, scipy, numba and pillow" \
  "name one that is: PYTHON=/path/to/python3 tests/gpu/run.sh"
export PYTHONPATH="$root/src:$root" PYTHONUNBUFFERED=1
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1  # a job's
# Others' plug-ins and JAX's habit of taking all the memory would get in the way.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 XLA_PYTHON_CLIENT_PREALLOCATE=false
exec "$python" -m tests.gpu.kit "$@"
