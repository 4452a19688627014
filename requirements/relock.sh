#!/usr/bin/env bash
# Make lock.txt anew from pyproject.toml (needs uv). torch and what only torch brings stay out.
# One lock serves every supported Python: it is resolved for the oldest, which needs the most
# (backports), with the hashes of all wheels of a release; the others must need nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
oldest=3.11 newer="3.12 3.13"
compile() {
  uv pip compile --generate-hashes --extra dev --no-header --no-annotate \
    --no-emit-package torch --no-emit-package torchvision --no-emit-package cuda-bindings \
    --no-emit-package cuda-pathfinder --no-emit-package cuda-toolkit \
    --no-emit-package nvidia-cublas --no-emit-package nvidia-cuda-cupti \
    --no-emit-package nvidia-cuda-nvrtc --no-emit-package nvidia-cuda-runtime \
    --no-emit-package nvidia-cudnn-cu13 --no-emit-package nvidia-cufft \
    --no-emit-package nvidia-cufile --no-emit-package nvidia-curand \
    --no-emit-package nvidia-cusolver --no-emit-package nvidia-cusparse \
    --no-emit-package nvidia-cusparselt-cu13 --no-emit-package nvidia-nccl-cu13 \
    --no-emit-package nvidia-nvjitlink --no-emit-package nvidia-nvshmem-cu13 \
    --no-emit-package nvidia-nvtx --no-emit-package triton \
    "$@" pyproject.toml
}
compile --python-version "$oldest" "$@" -o requirements/lock.txt

pins() { sed -n 's/^\([^ ]*==[^ ]*\).*/\1/p' "$1" | sort; }
other=$(mktemp)
trap 'rm -f "$other"' EXIT
for version in $newer; do
  compile --quiet --python-version "$version" --constraint <(pins requirements/lock.txt) -o "$other"
  more=$(comm -13 <(pins requirements/lock.txt) <(pins "$other"))
  if [ -n "$more" ]; then
    echo "nsgf: Python $version needs what lock.txt does not hold: $more" >&2
    exit 1
  fi
done
