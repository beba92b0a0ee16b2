// Rotary positions (Su and others, arXiv:2104.09864) in the rotate-half form: values i and
// i+half of a head are turned by the angle of their position. One block has one row.
#include "lode.cuh"

enum { inPlace, set, add };

// The first turned values of each row of wide are heads of 2·half values; cos and sin are
// [steps, half], and sign is −1 to turn back. In place the rest of y stays; else y is
// the whole row of x, turned, or that is added to it. A thread has the same V places of every
// so many heads: one division, and one angle, for all.
template <int V, class T> __device__ __forceinline__ void rotateHeads(T *y, const T *x, const float *cos, const float *sin, float sign, int half, int turned, int how) {
    int places = half / V, step = blockDim.x / places, of = threadIdx.x / places, i = (threadIdx.x - of * places) * V;
    int c = of * 2 * half + i;
    if (of >= step || c >= turned) return;
    Pack<V> co = load<V>(cos + i), si = load<V>(sin + i);
    for (; c < turned; c += step * 2 * half) {
        Pack<V> a = load<V>(x + c), b = load<V>(x + c + half), left, right;
        if (how == add) left = load<V>(y + c), right = load<V>(y + c + half);
        for (int k = 0; k < V; k++) {
            float turn = sign * si.v[k], first = a.v[k] * co.v[k] - b.v[k] * turn, second = b.v[k] * co.v[k] + a.v[k] * turn;
            left.v[k] = how == add ? left.v[k] + first : first, right.v[k] = how == add ? right.v[k] + second : second;
        }
        store<V>(y + c, left), store<V>(y + c + half, right);
    }
}
template <int V, class T> __device__ __forceinline__ void keepRest(T *y, const T *x, int from, int wide, int how) {
    for (int c = from + threadIdx.x * V; c < wide; c += blockDim.x * V) {
        Pack<V> a = load<V>(x + c);
        if (how == add) {
            Pack<V> old = load<V>(y + c);
            for (int k = 0; k < V; k++) a.v[k] += old.v[k];
        }
        store<V>(y + c, a);
    }
}
template <class T> __device__ __forceinline__ void rotateRow(T *y, const T *x, const float *cos, const float *sin, float sign, int steps, int half, int turned, int wide, int how) {
    int64_t row = (int64_t)blockIdx.x * wide;
    int at = blockIdx.x % steps * half;
    x += row, y += row, cos += at, sin += at;
    if (half % 4 == 0) { // then so are turned and wide: all are of whole heads
        rotateHeads<4>(y, x, cos, sin, sign, half, turned, how);
        if (how != inPlace) keepRest<4>(y, x, turned, wide, how);
        return;
    }
    rotateHeads<1>(y, x, cos, sin, sign, half, turned, how);
    if (how != inPlace) keepRest<1>(y, x, turned, wide, how);
}
extern "C" __global__ void rotate(float *y, const float *x, const float *cos, const float *sin, float sign, int steps, int half, int turned, int wide, int how) { rotateRow(y, x, cos, sin, sign, steps, half, turned, wide, how); }
extern "C" __global__ void rotate_half(bf16 *y, const bf16 *x, const float *cos, const float *sin, float sign, int steps, int half, int turned, int wide, int how) { rotateRow(y, x, cos, sin, sign, steps, half, turned, wide, how); }
