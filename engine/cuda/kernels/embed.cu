// Embeddings: rows of a matrix by token; and the sums of gradients of each token.
#include "lode.cuh"

// y[i] = w[ids[i]], rows of dim values: one block a position.
template <class T> __device__ __forceinline__ void embedRow(T *y, const float *w, const int *ids, int dim) {
    y += (int64_t)blockIdx.x * dim, w += (int64_t)ids[blockIdx.x] * dim;
    for (int j = threadIdx.x; j < dim; j += blockDim.x) put(y + j, w[j]);
}
extern "C" __global__ void embed(float *y, const float *w, const int *ids, int dim) { embedRow(y, w, ids, dim); }
extern "C" __global__ void embed_half(bf16 *y, const float *w, const int *ids, int dim) { embedRow(y, w, ids, dim); }

// groups says where each token stands, in order: groups[0] tokens; where the positions of
// each begin, and the end; and from groups[n+2] on the n positions, token by token. dw of a
// token grows by the sum of dy at its positions. A block has 32 columns of one token,
// 32 × 8 threads go down the positions; the order is fixed.
template <class T> __device__ __forceinline__ void embedBack(float *dw, const T *dy, const int *ids, const int *groups, int n, int dim, float (*part)[33]) {
    int group = blockIdx.x;
    if (group >= groups[0]) return;
    const int *at = groups + n + 2;
    int lo = groups[1 + group], hi = groups[2 + group];
    int lane = threadIdx.x % 32, down = threadIdx.x / 32, j = blockIdx.y * 32 + lane;
    float s = 0;
    if (j < dim)
        for (int i = lo + down; i < hi; i += 8) s += get(dy[(int64_t)at[i] * dim + j]);
    part[down][lane] = s;
    __syncthreads();
    if (down || j >= dim) return;
    for (int k = 1; k < 8; k++) s += part[k][lane];
    dw[(int64_t)ids[at[lo]] * dim + j] += s;
}
extern "C" __global__ void embed_back(float *dw, const float *dy, const int *ids, const int *groups, int n, int dim) {
    __shared__ float part[8][33];
    embedBack(dw, dy, ids, groups, n, dim, part);
}
extern "C" __global__ void embed_back_half(float *dw, const bf16 *dy, const int *ids, const int *groups, int n, int dim) {
    __shared__ float part[8][33];
    embedBack(dw, dy, ids, groups, n, dim, part);
}
