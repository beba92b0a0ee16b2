// REGISTER(f) tells the stand-in of a kernel that was compiled for the host.
#pragma once
#include "device.h"
#include <type_traits>
#include <utility>

template <class... A, size_t... I> void shimCall(void (*f)(A...), const std::vector<const void *> &args, std::index_sequence<I...>) {
    f(*(const std::remove_cv_t<A> *)args[I]...);
}
template <class... A> bool shimRegister(const char *name, void (*f)(A...)) {
    kernels()[name] = Kernel{name, {sizeof(A)...}, {std::is_pointer<A>::value...},
        [f](const std::vector<const void *> &args) { shimCall(f, args, std::index_sequence_for<A...>{}); }};
    return true;
}
#define REGISTER(f) static bool registered_##f = shimRegister(#f, f);
