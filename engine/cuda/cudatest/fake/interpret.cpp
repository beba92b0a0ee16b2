// How kernels are run by whoever executes their PTX, in place of what was compiled for the host.
#include "device.h"

#include <cstring>

struct Span {
    uint64_t address, bytes;
};
// Interpreted is what is asked; cudatest has the same in Go.
struct Interpreted {
    const char *name;
    uint64_t grid[3], block[3], dynamic;
    const char *arguments;
    uint64_t bytes;
    const Span *spans;
    uint64_t num;
    char *why;
    uint64_t room;
};
// The interpreter returns 0 if it ran the kernel, 1 if it has none of that name, and 2 if
// something was wrong, of which it then writes a line.
using Interpreter = uintptr_t (*)(const Interpreted *);
static Interpreter interpreter;

extern "C" void fakeInterpret(Interpreter f) { interpreter = f; }

bool interpret(const Kernel &k, Shape grid, Shape block, size_t dynamic, const std::vector<char> &arguments, CUresult *result) {
    if (!interpreter) return false;
    std::vector<Span> spans;
    for (auto &r : state().device)
        if (r.second.device == here()) spans.push_back({r.first, r.second.size});
    char why[400] = "";
    Interpreted x{k.name, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, dynamic, arguments.data(), arguments.size(), spans.data(), spans.size(), why, sizeof why - 1};
    uintptr_t r = interpreter(&x);
    *result = r == 0 ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
    if (r > 1) fault("%s", why);
    return r != 1;
}
