// Calls between devices: whether one reaches another's memory, and copies.
#include "device.h"

#include <cstring>

extern "C" {
CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
    Call call("cuDeviceCanAccessPeer", false);
    if (call.refused) return call.refused;
    const long n = state().settings.devices;
    if (device < 0 || device >= n || peer < 0 || peer >= n) return CUDA_ERROR_INVALID_DEVICE;
    return *can = device != peer && state().settings.peers, CUDA_SUCCESS;
}
CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
    Call call("cuCtxEnablePeerAccess");
    if (call.refused) return call.refused;
    CUcontext mine = primary(here());
    if (flags) return fault("cuCtxEnablePeerAccess with flags %u", flags);
    if (!peer || peer->uses < 1 || peer == mine) return fault("cuCtxEnablePeerAccess of no other context"), CUDA_ERROR_INVALID_CONTEXT;
    if (!state().settings.peers) return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    if (!mine->peers.insert(peer->device).second) return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
    return CUDA_SUCCESS;
}
// A copy goes through the host's memory where devices do not reach each other. Where they
// could and nobody said so, somebody has forgotten it.
CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext toContext, CUdeviceptr from, CUcontext fromContext, size_t n, CUstream s) {
    Call call("cuMemcpyPeerAsync");
    if (call.refused) return call.refused;
    if (!toContext || !fromContext || toContext->uses < 1 || fromContext->uses < 1) return fault("cuMemcpyPeerAsync with a context that has ended"), CUDA_ERROR_INVALID_CONTEXT;
    const int at = toContext->device, of = fromContext->device;
    if (state().settings.peers && at != of && !toContext->peers.count(of)) fault("cuMemcpyPeerAsync through the host, though device %d could reach device %d", at, of);
    if (n == 0 || !onDeviceOf(at, to, n) || !onDeviceOf(of, from, n)) return fault("cuMemcpyPeerAsync of %zu bytes: not in one live allocation of its context", n);
    return enqueue(s, "cuMemcpyPeerAsync", [=]() -> CUresult {
        if (state().lost[at] || state().lost[of]) return CUDA_ERROR_ILLEGAL_ADDRESS;
        if (!onDeviceOf(at, to, n) || !onDeviceOf(of, from, n)) return fault("cuMemcpyPeerAsync: memory was freed before it ran"), CUDA_ERROR_ILLEGAL_ADDRESS;
        Unlocked one(at), other(of);
        memmove((void *)to, (void *)from, n);
        return CUDA_SUCCESS;
    });
}
}
