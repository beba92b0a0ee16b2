// Vectors of which few values are not zero, by chunks: merged steps, and updates of others.
#include "lode.cuh"

// A chunk: num values from value on, and the places they have within it from place on, in
// ascending order; where place is below 0 value i is at place i.
struct Head {
    long long at; // where the chunk begins
    int value;
    int place;
    int num;
    int unused;
};

// x −= v for each value of the chunks, one block each.
extern "C" __global__ void subtract(float *x, const Head *heads, const float *values, const uint16_t *places) {
    Head h = heads[blockIdx.x];
    x += h.at, values += h.value;
    for (int i = threadIdx.x; i < h.num; i += blockDim.x) {
        int at = h.place < 0 ? i : places[h.place + i];
        x[at] = x[at] - values[i];
    }
}

// sums[i] is the product of chunk i and g. Each product is exact; they are added in float64
// in the order of places, as package gradient does: one thread a chunk.
extern "C" __global__ void dots(double *sums, const float *g, const Head *heads, const float *values, const uint16_t *places, long long n) {
    int64_t i = index();
    if (i >= n) return;
    Head h = heads[i];
    double s = 0;
    g += h.at, values += h.value;
    for (int j = 0; j < h.num; j++)
        if (values[j] != 0) s += __dmul_rn(values[j], g[h.place < 0 ? j : places[h.place + j]]);
    sums[i] = s;
}

// subtract_step takes chunks of a merged step, times by, off x, one block each: at byte h.value of
// plain an exponent, a bit for each of h.num values, and a signed integer of width bytes for each bit
// that is set (update-format.md). Products are exact, then rounded to float32.
extern "C" __global__ void __launch_bounds__(256) subtract_step(float *x, const Head *heads, const unsigned char *plain, int width, double by) {
    constexpr int each = 16; // words of bits of a warp, each for 32 values in a row
    __shared__ int counts[8];
    Head h = heads[blockIdx.x];
    int bytes = (h.num + 7) / 8, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const unsigned char *map = plain + h.value + 1, *values = map + bytes;
    by = __dmul_rn(by, ldexp(1.0, (signed char)map[-1]));
    uint32_t own = 0; // lanes hold a word each
    for (int i = 0, at = 4 * (each * warp + lane); lane < each && i < 4; i++)
        if (at + i < bytes) own |= (uint32_t)map[at + i] << (8 * i);
    int num = __popc(own);
    for (int i = 16; i > 0; i /= 2) num += __shfl_xor_sync(0xffffffffu, num, i);
    if (lane == 0) counts[warp] = num;
    __syncthreads();
    int rank = 0;
    for (int w = 0; w < warp; w++) rank += counts[w];
    x += h.at + 32 * each * warp + lane;
    for (int j = 0; j < each; j++, x += 32) {
        uint32_t word = __shfl_sync(0xffffffffu, own, j);
        if (word >> lane & 1) {
            const unsigned char *v = values + (int64_t)width * (rank + __popc(word & ((1u << lane) - 1)));
            int q = width == 2 ? (short)(v[0] | v[1] << 8) : (int)(v[0] | v[1] << 8 | v[2] << 16 | (uint32_t)v[3] << 24);
            *x = *x - (float)__dmul_rn(q, by);
        }
        rank += __popc(word);
    }
}
