#!/bin/sh
# Makes kernels.ptx from kernels.cu: `sh build_ptx.sh`, after every change of the latter. Needs nvcc and ptxas of CUDA 13 on
# the path. Both come with the CUDA toolkit, or without it from PyPI:
#
#   pip install --no-deps --target cuda nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
#       nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
#   PATH="$PWD/cuda/nvidia/cu13/bin:$PATH"
#
# The driver compiles PTX for its own GPU, and refuses text of a newer version than itself. nvcc writes its newest version
# though the kernels need nothing of it, so the version is set back to one that every driver in use reads; ptxas, which
# checks instructions against the version, confirms it.
set -eu
cd "$(dirname "$0")"
nvcc -ptx -arch=compute_75 -o kernels.ptx.new kernels.cu
{
    echo "// Made by build_ptx.sh from kernels.cu, whose cksum is $(cksum < kernels.cu | cut -d ' ' -f 1); do not edit."
    sed -e '/^\/\//d' -e 's/^\.version .*/.version 6.0/' -e 's/^\.target .*/.target sm_50/' kernels.ptx.new
} > kernels.ptx
rm kernels.ptx.new
for gpu in sm_75 sm_80 sm_90 sm_120; do
    ptxas --gpu-name "$gpu" -o /dev/null kernels.ptx
done
