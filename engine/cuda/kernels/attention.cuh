// What both kinds of attention share: how a row is laid out.
#pragma once
#include "lode.cuh"

// Rows is one head of [queries | keys | values] in rows of wide values, of one of the
// sequences of a batch.
struct Rows {
    int steps, heads, kv, hd, wide, dim;
    __device__ Rows(int steps, int heads, int kv, int hd) : steps(steps), heads(heads), kv(kv), hd(hd), wide((heads + 2 * kv) * hd), dim(heads * hd) {}
    // Where the values of a head begin at the first position of a sequence.
    __device__ int64_t query(int64_t sequence, int head) const { return sequence * steps * wide + head * hd; }
    __device__ int64_t key(int64_t sequence, int head) const { return query(sequence, heads + head); }
    __device__ int64_t value(int64_t sequence, int head) const { return query(sequence, heads + kv + head); }
    __device__ int64_t out(int64_t sequence, int head) const { return sequence * steps * dim + head * hd; }
    // Where what there is once a query and head begins.
    __device__ int64_t sums(int64_t sequence, int head) const { return (sequence * heads + head) * steps; }
    __device__ float scale() const { return 1 / sqrtf((float)hd); }
};
