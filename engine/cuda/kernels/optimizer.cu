// The optimizer's step: AdamW, Muon's momentum, the gradient's norm, and sums of gradients.
#include "lode.cuh"

// A run of at most 4,096 values of one tensor that is trained.
struct Run {
    long long at;     // in parameters and gradient
    long long moment; // in the moments
    int len;
    int decays; // weight decay moves it
    int hidden; // Muon moves it
    int unused;
};

// squares[b] = the sum of squares of run b, in float64: one block a run.
extern "C" __global__ void squares(double *squares, const float *g, const Run *runs) {
    __shared__ double scratch[32];
    Run r = runs[blockIdx.x];
    double s = 0;
    for (int i = threadIdx.x; i < r.len; i += blockDim.x) {
        double v = g[r.at + i];
        s += v * v;
    }
    s = blockSumDouble(s, scratch);
    if (threadIdx.x == 0) squares[blockIdx.x] = s;
}

// norm[0] = the root of the sum of n squares; norm[1] = what the gradient is multiplied
// by so that its norm is at most limit, 1 if limit is 0; norm[2] = 1 if loss[0] and the norm
// are finite, else 0: then no step is taken. One block.
extern "C" __global__ void norm(double *norm, const double *squares, const double *loss, int n, double limit) {
    __shared__ double scratch[32];
    double s = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) s += squares[i];
    s = sqrt(blockSumDouble(s, scratch));
    if (threadIdx.x) return;
    norm[0] = s;
    norm[1] = limit > 0 && s > limit ? (double)(float)(limit / s) : 1.0;
    norm[2] = s - s == 0 && loss[0] - loss[0] == 0;
}

// AdamW (Loshchilov and Hutter, arXiv:1711.05101, algorithm 2) on the runs, but on hidden
// ones only if Muon does not move them. rate and unit2 have the corrections of the moments'
// bias in them, decay is the rate times the weight decay. One block a run.
extern "C" __global__ void adamw(float *w, const float *g, float *m1, float *m2, const Run *runs, const double *norm, int muon,
                                 float keep1, float keep2, float eps, float rate, float unit2, float decay) {
    Run r = runs[blockIdx.x];
    if (norm[2] == 0 || (muon && r.hidden)) return;
    float scale = (float)norm[1], stay = 1 - (r.decays ? decay : 0.0f);
    w += r.at, g += r.at, m1 += r.moment, m2 += r.moment;
    for (int i = threadIdx.x; i < r.len; i += blockDim.x) {
        float d = scale * g[i];
        float a = keep1 * m1[i] + (1 - keep1) * d, b = keep2 * m2[i] + (1 - keep2) * d * d;
        m1[i] = a, m2[i] = b;
        w[i] = stay * w[i] - rate * a / (sqrtf(unit2 * b) + eps);
    }
}

// x = a·x + b·y, which is set where a is 0.
extern "C" __global__ void blend(float *x, const float *y, float a, float b, long long n) {
    int64_t i = index();
    if (i < n) x[i] = (a == 0 ? 0.0f : a * x[i]) + b * y[i];
}

// Muon's momentum: m = keep·m + take·g, and x = keep·m + take·g, looked ahead as Nesterov
// does, take being (1−keep) times the clipping's factor.
extern "C" __global__ void momentum(float *x, float *m, const float *g, const double *norm, float keep, long long n) {
    int64_t i = index();
    if (i >= n || norm[2] == 0) return;
    float take = (1 - keep) * (float)norm[1];
    float a = keep * m[i] + take * g[i];
    m[i] = a;
    x[i] = keep * a + take * g[i];
}

// part[b] = the sum of squares of 4,096 values of x: one block each.
extern "C" __global__ void squares_of(double *part, const float *x, long long n) {
    __shared__ double scratch[32];
    int64_t lo = (int64_t)blockIdx.x * 4096, hi = lo + 4096 < n ? lo + 4096 : n;
    double s = 0;
    for (int64_t i = lo + threadIdx.x; i < hi; i += blockDim.x) s += (double)x[i] * x[i];
    s = blockSumDouble(s, scratch);
    if (threadIdx.x == 0) part[blockIdx.x] = s;
}

// root[0] = the root of the sum of parts: one block.
extern "C" __global__ void root(double *root, const double *part, int n) {
    __shared__ double scratch[32];
    double s = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) s += part[i];
    s = blockSumDouble(s, scratch);
    if (threadIdx.x == 0) root[0] = sqrt(s);
}

// x is divided by by[0] + eps.
extern "C" __global__ void divide(float *x, const double *by, double eps, long long n) {
    int64_t i = index();
    if (i < n) x[i] = x[i] * (float)(1 / (by[0] + eps));
}

// y, the square of the side × side matrix x, becomes a + b·x + c·y.
extern "C" __global__ void polynomial(float *y, const float *x, float a, float b, float c, int side) {
    int64_t i = index();
    if (i < (int64_t)side * side) y[i] = c * y[i] + b * x[i] + (i % (side + 1) == 0 ? a : 0.0f);
}

// w = stay·w − far·x, if a step is taken.
extern "C" __global__ void move(float *w, const float *x, const double *norm, float stay, float far, long long n) {
    int64_t i = index();
    if (i < n && norm[2] != 0) w[i] = stay * w[i] - far * x[i];
}
