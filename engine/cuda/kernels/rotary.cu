// Rotary positions (Su and others, arXiv:2104.09864) in the rotate-half form: values i and
// i+half of a head are turned by the angle of their position. One block has one row.
#include "lode.cuh"

enum { inPlace, set, add };

// The first turned values of each row of wide are heads of 2·half values; cos and sin are
// [steps, half], and sign is −1 to turn back. In place the rest of y stays; else y is
// the whole row of x, turned, or that is added to it.
template <class T> __device__ __forceinline__ void rotateRow(T *y, const T *x, const float *cos, const float *sin, float sign, int steps, int half, int turned, int wide, int how) {
    int64_t row = (int64_t)blockIdx.x * wide;
    int at = blockIdx.x % steps * half;
    for (int c = threadIdx.x; c < turned / 2; c += blockDim.x) {
        int i = c % half;
        int64_t first = row + c / half * 2 * half + i, second = first + half;
        float a = get(x[first]), b = get(x[second]), co = cos[at + i], si = sign * sin[at + i];
        put(y + first, (how == add ? get(y[first]) : 0.0f) + a * co - b * si);
        put(y + second, (how == add ? get(y[second]) : 0.0f) + b * co + a * si);
    }
    if (how == inPlace) return;
    for (int c = turned + threadIdx.x; c < wide; c += blockDim.x) put(y + row + c, (how == add ? get(y[row + c]) : 0.0f) + get(x[row + c]));
}
extern "C" __global__ void rotate(float *y, const float *x, const float *cos, const float *sin, float sign, int steps, int half, int turned, int wide, int how) { rotateRow(y, x, cos, sin, sign, steps, half, turned, wide, how); }
extern "C" __global__ void rotate_half(bf16 *y, const bf16 *x, const float *cos, const float *sin, float sign, int steps, int half, int turned, int wide, int how) { rotateRow(y, x, cos, sin, sign, steps, half, turned, wide, how); }
