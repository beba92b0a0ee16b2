// The optimizer's step: AdamW, Muon's, and the gradient's norm.
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

// What a step is taken with. The host writes it before each, so that what was recorded serves
// all of them.
struct Hyper {
    double limit; // of the gradient's norm; 0: there is none
    float rate, rate1; // of learning; and with the correction of the first moment's bias
    float unit2; // the correction of the second moment's bias
    float keep1, keep2, eps;
    float decay; // the rate times the weight decay
    float unused;
};

// What came of a step. The host reads it, and sets failed to 0 when it has read of a failure.
struct Outcome {
    double norm;   // of the gradient
    double factor; // that the gradient is multiplied by so that its norm is at most the limit
    double moves;  // 1: a step is taken; 0: a loss or a gradient was not finite, here or since failed was set to 0
    double loss;
    double failed; // 1: so no step is taken
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

// The outcome of a step, from n squares and the loss. One block, as large as there are: of 1.2
// billion parameters there are 300,000 squares.
extern "C" __global__ void __launch_bounds__(1024) norm(Outcome *o, const double *squares, const double *loss, const Hyper *h, int n) {
    __shared__ double scratch[32];
    double s = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) s += squares[i];
    s = sqrt(blockSumDouble(s, scratch));
    if (threadIdx.x) return;
    if (!(s - s == 0 && loss[0] - loss[0] == 0)) o->failed = 1;
    o->norm = s, o->loss = loss[0], o->moves = o->failed == 0;
    o->factor = h->limit > 0 && s > h->limit ? (double)(float)(h->limit / s) : 1.0;
}

// AdamW (Loshchilov and Hutter, arXiv:1711.05101, algorithm 2) on the runs, but on hidden
// ones only if Muon does not move them. One block a run. Halves are the parameters in bf16, null
// if there are none.
extern "C" __global__ void adamw(float *w, bf16 *halves, const float *g, float *m1, float *m2, const Run *runs, const Outcome *o, const Hyper *hyper, int muon) {
    Run r = runs[blockIdx.x];
    Hyper h = *hyper;
    if (o->moves == 0 || (muon && r.hidden)) return;
    float scale = (float)o->factor, stay = 1 - (r.decays ? h.decay : 0.0f);
    w += r.at, g += r.at, m1 += r.moment, m2 += r.moment;
    for (int i = threadIdx.x; i < r.len; i += blockDim.x) {
        float d = scale * g[i];
        float a = h.keep1 * m1[i] + (1 - h.keep1) * d, b = h.keep2 * m2[i] + (1 - h.keep2) * d * d;
        m1[i] = a, m2[i] = b;
        float next = stay * w[i] - h.rate1 * a / (sqrtf(h.unit2 * b) + h.eps);
        w[i] = next;
        if (halves) halves[r.at + i] = toHalf(next);
    }
}

// Muon's momentum: m = keep·m + take·g, and x = keep·m + take·g, looked ahead as Nesterov
// does, take being (1−keep) times the clipping's factor.
template <class T> __device__ __forceinline__ void momentumAt(T *x, float *m, const float *g, const Outcome *o, float keep, long long n) {
    int64_t i = index();
    if (i >= n || o->moves == 0) return;
    float take = (1 - keep) * (float)o->factor;
    float a = keep * m[i] + take * g[i];
    m[i] = a;
    put(x + i, keep * a + take * g[i]);
}
extern "C" __global__ void momentum(float *x, float *m, const float *g, const Outcome *o, float keep, long long n) { momentumAt(x, m, g, o, keep, n); }
extern "C" __global__ void momentum_half(bf16 *x, float *m, const float *g, const Outcome *o, float keep, long long n) { momentumAt(x, m, g, o, keep, n); }

// part[b] = the sum of squares of 4,096 values of x: one block each.
template <class T> __device__ __forceinline__ void squaresOf(double *part, const T *x, long long n, double *scratch) {
    int64_t lo = (int64_t)blockIdx.x * 4096, hi = lo + 4096 < n ? lo + 4096 : n;
    double s = 0;
    for (int64_t i = lo + threadIdx.x; i < hi; i += blockDim.x) s += (double)get(x[i]) * get(x[i]);
    s = blockSumDouble(s, scratch);
    if (threadIdx.x == 0) part[blockIdx.x] = s;
}
extern "C" __global__ void squares_of(double *part, const float *x, long long n) {
    __shared__ double scratch[32];
    squaresOf(part, x, n, scratch);
}
extern "C" __global__ void squares_of_half(double *part, const bf16 *x, long long n) {
    __shared__ double scratch[32];
    squaresOf(part, x, n, scratch);
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
template <class T> __device__ __forceinline__ void divideAt(T *x, const double *by, double eps, long long n) {
    int64_t i = index();
    if (i < n) put(x + i, get(x[i]) * (float)(1 / (by[0] + eps)));
}
extern "C" __global__ void divide(float *x, const double *by, double eps, long long n) { divideAt(x, by, eps, n); }
extern "C" __global__ void divide_half(bf16 *x, const double *by, double eps, long long n) { divideAt(x, by, eps, n); }

// w = w·(1 − decay) − scale·rate·x, if a step is taken; without the decay where decays is 0.
// Halves are w in bf16, null if there are none.
template <class T> __device__ __forceinline__ void moveAt(float *w, bf16 *halves, const T *x, const Outcome *o, const Hyper *h, float scale, int decays, long long n) {
    int64_t i = index();
    if (i >= n || o->moves == 0) return;
    float next = (1 - (decays ? h->decay : 0.0f)) * w[i] - h->rate * scale * get(x[i]);
    w[i] = next;
    if (halves) halves[i] = toHalf(next);
}
extern "C" __global__ void move(float *w, bf16 *halves, const float *x, const Outcome *o, const Hyper *h, float scale, int decays, long long n) { moveAt(w, halves, x, o, h, scale, decays, n); }
extern "C" __global__ void move_half(float *w, bf16 *halves, const bf16 *x, const Outcome *o, const Hyper *h, float scale, int decays, long long n) { moveAt(w, halves, x, o, h, scale, decays, n); }
