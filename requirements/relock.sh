#!/usr/bin/env bash
# Make lock.txt anew from pyproject.toml (needs uv). torch and what only torch brings stay out.
set -euo pipefail
cd "$(dirname "$0")/.."
uv pip compile --python-version 3.11 --generate-hashes --extra dev --no-header --no-annotate \
  --no-emit-package torch --no-emit-package torchvision --no-emit-package cuda-bindings --no-emit-package cuda-pathfinder --no-emit-package cuda-toolkit --no-emit-package nvidia-cublas --no-emit-package nvidia-cuda-cupti --no-emit-package nvidia-cuda-nvrtc --no-emit-package nvidia-cuda-runtime --no-emit-package nvidia-cudnn-cu13 --no-emit-package nvidia-cufft --no-emit-package nvidia-cufile --no-emit-package nvidia-curand --no-emit-package nvidia-cusolver --no-emit-package nvidia-cusparse --no-emit-package nvidia-cusparselt-cu13 --no-emit-package nvidia-nccl-cu13 --no-emit-package nvidia-nvjitlink --no-emit-package nvidia-nvshmem-cu13 --no-emit-package nvidia-nvtx --no-emit-package triton  \
  "$@" pyproject.toml -o requirements/lock.txt
