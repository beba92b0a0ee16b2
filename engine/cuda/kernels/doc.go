// Package kernels holds the CUDA C that trains on a card, and the PTX that was made of
// it. It runs nothing.
//
// One operation is one file, forward and backward: FILE.cu. Each becomes ptx/FILE.ptx by
// the recipe `make ptx`, which needs no card; its first line is the digest of what it was
// made of, and a test fails where that has changed since. A driver compiles PTX for the card at hand.
//
// Kernels are `extern "C" __global__ void`. Their tests compile them for the host, so
// they keep to C++ and what cudatest/fake/shim.h has of CUDA; what only a card can
// do stands behind #ifndef LODE_HOST, beside a plain form. Shared memory is declared in
// kernels, not in templates. Blocks are of whole warps.
package kernels
