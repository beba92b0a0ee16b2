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
