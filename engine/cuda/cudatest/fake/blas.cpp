// cuBLASLt: products as plain loops, summed in float64 and in the order of the index.
#include "device.h"

#include <cstring>

namespace {
struct Desc { cublasOperation_t a = CUBLAS_OP_N, b = CUBLAS_OP_N; uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT; uintptr_t bias = 0; int biasType = -1; };
struct Layout { cudaDataType type; uint64_t rows, cols; int64_t ld; int32_t batch = 1; int64_t stride = 0; };
struct Preference { size_t workspace = 0; uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_MASK; uint32_t align[4] = {256, 256, 256, 256}; }; // of A, B, C and D

struct Held { // a call to cuBLASLt, which has no context of its own to check
    std::lock_guard<std::recursive_mutex> lock{state().mutex};
};

cublasStatus_t bad(const char *what) { return fault("%s", what), CUBLAS_STATUS_INVALID_VALUE; }
template <class T> bool held(T *p) { return state().blas.count((void *)p) > 0; }
template <class T, class H> cublasStatus_t give(H *out, T *made) {
    if (!out) return delete made, bad("cuBLASLt: there is no place for what is made");
    state().blas.insert((void *)made);
    *out = (H)made;
    return CUBLAS_STATUS_SUCCESS;
}
template <class T, class H> cublasStatus_t drop(H h) {
    if (!state().blas.erase((void *)h)) return bad("cuBLASLt: what is destroyed is not there");
    delete (T *)h;
    return CUBLAS_STATUS_SUCCESS;
}
template <class T> cublasStatus_t set(T &to, const void *from, size_t n) {
    if (n != sizeof to || !from) return bad("cuBLASLt: an attribute has another size");
    memcpy(&to, from, n);
    return CUBLAS_STATUS_SUCCESS;
}

size_t width(cudaDataType t) { return t == CUDA_R_32F ? 4 : 2; }
double load(const Layout &l, const char *p, int64_t i, int64_t j) {
    const char *at = p + (i + j * l.ld) * int64_t(width(l.type));
    uint32_t bits = 0;
    float f;
    if (l.type == CUDA_R_32F) return memcpy(&f, at, 4), f;
    uint16_t half;
    memcpy(&half, at, 2), bits = uint32_t(half) << 16, memcpy(&f, &bits, 4);
    return f;
}
void store(const Layout &l, char *p, int64_t i, int64_t j, double v) {
    char *at = p + (i + j * l.ld) * int64_t(width(l.type));
    float f = float(v);
    uint32_t bits;
    if (l.type == CUDA_R_32F) { memcpy(at, &f, 4); return; }
    memcpy(&bits, &f, 4);
    uint16_t half = f != f ? 0x7fff : uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    memcpy(at, &half, 2);
}

// bytes that a matrix spans
size_t span(const Layout &l) {
    if (!l.rows || !l.cols) return 0;
    return size_t((l.batch - 1) * l.stride + (int64_t(l.cols) - 1) * l.ld + int64_t(l.rows)) * width(l.type);
}

void multiply(const Desc &d, float alpha, const char *A, const Layout &a, const char *B, const Layout &b, float beta, const char *C, const Layout &c, char *D, const Layout &o) {
    int64_t k = d.a == CUBLAS_OP_N ? a.cols : a.rows;
    Layout biasAs{d.biasType < 0 ? o.type : cudaDataType(d.biasType), 0, 0, 0};
    for (int64_t j = 0; j < int64_t(o.cols); j++)
        for (int64_t i = 0; i < int64_t(o.rows); i++) {
            double sum = 0;
            for (int64_t p = 0; p < k; p++) {
                double x = d.a == CUBLAS_OP_N ? load(a, A, i, p) : load(a, A, p, i);
                double y = d.b == CUBLAS_OP_N ? load(b, B, p, j) : load(b, B, j, p);
                sum += x * y;
            }
            sum *= alpha;
            if (beta != 0) sum += double(beta) * load(c, C, i, j);
            if (d.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += load(biasAs, (const char *)d.bias, i, 0);
            store(o, D, i, j, sum);
        }
}

// unfit says what is wrong with a product, nullptr if nothing is.
const char *unfit(const Desc &d, const Layout &a, const Layout &b, const Layout &c, const Layout &o) {
    uint64_t m = d.a == CUBLAS_OP_N ? a.rows : a.cols, k = d.a == CUBLAS_OP_N ? a.cols : a.rows;
    uint64_t k2 = d.b == CUBLAS_OP_N ? b.rows : b.cols, n = d.b == CUBLAS_OP_N ? b.cols : b.rows;
    if (m != o.rows || n != o.cols || k != k2 || c.rows != o.rows || c.cols != o.cols) return "cublasLtMatmul: shapes do not fit";
    if (!m || !n || !k) return "cublasLtMatmul: an empty product";
    if (a.type != b.type || c.type != o.type || (a.type == CUDA_R_32F && o.type != CUDA_R_32F)) return "cublasLtMatmul: types do not fit";
    if (a.batch != o.batch || b.batch != o.batch || c.batch != o.batch) return "cublasLtMatmul: batches do not fit";
    if (d.epilogue == CUBLASLT_EPILOGUE_BIAS && !d.bias) return "cublasLtMatmul: there is no bias";
    return nullptr;
}
} // namespace

extern "C" {
size_t cublasLtGetVersion(void) { return size_t(state().settings.blas); }
cublasStatus_t cublasLtCreate(cublasLtHandle_t *h) {
    Held held;
    return give(h, new char);
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) {
    Held held;
    return drop<char>(h);
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType_t scale) {
    Held held;
    if ((compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32) || scale != CUDA_R_32F) return bad("cublasLtMatmulDescCreate: only sums in float32 are known here");
    return give(d, new Desc);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
    Held held;
    return drop<Desc>(d);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t h, cublasLtMatmulDescAttributes_t attr, const void *from, size_t n) {
    Held lock;
    if (!held(h)) return bad("cublasLtMatmulDescSetAttribute of a descriptor that there is not");
    Desc &d = *(Desc *)h;
    switch (int(attr)) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return set(d.a, from, n);
    case CUBLASLT_MATMUL_DESC_TRANSB: return set(d.b, from, n);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return set(d.epilogue, from, n);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return set(d.bias, from, n);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return set(d.biasType, from, n);
    }
    return bad("cublasLtMatmulDescSetAttribute: an attribute that the stand-in does not know");
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld) {
    Held held;
    if ((type != CUDA_R_32F && type != CUDA_R_16BF) || ld < int64_t(rows)) return bad("cublasLtMatrixLayoutCreate: a leading dimension below the rows, or another type");
    return give(l, new Layout{type, rows, cols, ld});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
    Held held;
    return drop<Layout>(l);
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t h, cublasLtMatrixLayoutAttribute_t attr, const void *from, size_t n) {
    Held lock;
    if (!held(h)) return bad("cublasLtMatrixLayoutSetAttribute of a layout that there is not");
    Layout &l = *(Layout *)h;
    switch (int(attr)) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return set(l.batch, from, n);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return set(l.stride, from, n);
    }
    return bad("cublasLtMatrixLayoutSetAttribute: an attribute that the stand-in does not know");
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p) {
    Held held;
    return give(p, new Preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
    Held held;
    return drop<Preference>(p);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t attr, const void *from, size_t n) {
    Held lock;
    int at = int(attr) - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    if (held(p) && attr == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return set(((Preference *)p)->workspace, from, n);
    if (held(p) && attr == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return set(((Preference *)p)->reduction, from, n);
    if (held(p) && at >= 0 && at < 4) return set(((Preference *)p)->align[at], from, n);
    return bad("cublasLtMatmulPreferenceSetAttribute");
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t o, cublasLtMatmulPreference_t p, int want, cublasLtMatmulHeuristicResult_t results[], int *got) {
    Held lock;
    if (!held(h) || !held(d) || !held(a) || !held(b) || !held(c) || !held(o) || !held(p) || want < 1) return bad("cublasLtMatmulAlgoGetHeuristic of what there is not");
    if (const char *why = unfit(*(Desc *)d, *(Layout *)a, *(Layout *)b, *(Layout *)c, *(Layout *)o)) return bad(why);
    if (((Layout *)o)->type == CUDA_R_16BF && ((Preference *)p)->reduction != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) return bad("cublasLtMatmulAlgoGetHeuristic: parts of a sum may be rounded to bf16");
    memset(&results[0], 0, sizeof results[0]);
    results[0].algo.data[0] = 42;
    for (int i = 0; i < 4; i++) results[0].algo.data[1 + i] = ((Preference *)p)->align[i];
    results[0].workspaceSize = ((Preference *)p)->workspace;
    results[0].state = CUBLAS_STATUS_SUCCESS;
    *got = 1;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t dh, const void *alpha, const void *A, cublasLtMatrixLayout_t ah, const void *B, cublasLtMatrixLayout_t bh,
                              const void *beta, const void *C, cublasLtMatrixLayout_t ch, void *D, cublasLtMatrixLayout_t oh, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t room, cudaStream_t stream) {
    Call call("cublasLtMatmul");
    if (call.refused) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!held(h) || !held(dh) || !held(ah) || !held(bh) || !held(ch) || !held(oh)) return bad("cublasLtMatmul of what there is not");
    const Desc d = *(Desc *)dh;
    const Layout a = *(Layout *)ah, b = *(Layout *)bh, c = *(Layout *)ch, o = *(Layout *)oh;
    if (const char *why = unfit(d, a, b, c, o)) return bad(why);
    if (!algo || algo->data[0] != 42) return bad("cublasLtMatmul with an algorithm that nobody proposed");
    const uint64_t at[] = {uintptr_t(A), uintptr_t(B), uintptr_t(C), uintptr_t(D)};
    for (int i = 0; i < 4; i++)
        if (at[i] % algo->data[1 + i]) return bad("cublasLtMatmul: a matrix is aligned less than the algorithm was chosen for");
    if (d.epilogue == CUBLASLT_EPILOGUE_BIAS && d.bias % 16) return bad("cublasLtMatmul: the bias is aligned to less than 16");
    if (!alpha || !beta) return bad("cublasLtMatmul without factors");
    const float al = *(const float *)alpha, be = *(const float *)beta;
    auto there = [=]() -> const char * {
        if (room && !onDevice(uintptr_t(workspace), room)) return "cublasLtMatmul: the workspace is not on the device";
        if (!onDevice(uintptr_t(A), span(a)) || !onDevice(uintptr_t(B), span(b)) || !onDevice(uintptr_t(C), span(c)) || !onDevice(uintptr_t(D), span(o)))
            return "cublasLtMatmul: a matrix is not in one live allocation of the device";
        if (d.epilogue == CUBLASLT_EPILOGUE_BIAS && !onDevice(d.bias, o.rows * width(d.biasType < 0 ? o.type : cudaDataType(d.biasType)))) return "cublasLtMatmul: the bias is not on the device";
        return nullptr;
    };
    if (const char *why = there()) return bad(why);
    CUresult r = enqueue(stream, "cublasLtMatmul", [=]() -> CUresult {
        if (const char *why = there()) return fault("%s any more", why), CUDA_ERROR_ILLEGAL_ADDRESS;
        poison(workspace, room < 4096 ? room : 4096); // somebody else's numbers would not last
        for (int64_t i = 0; i < o.batch; i++) {
            auto at = [i](const void *p, const Layout &l) { return (char *)p + i * l.stride * int64_t(width(l.type)); };
            multiply(d, al, at(A, a), a, at(B, b), b, be, at(C, c), c, at(D, o), o);
        }
        return CUDA_SUCCESS;
    });
    return r ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}
}
