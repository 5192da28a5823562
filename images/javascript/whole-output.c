// Loaded into every program of the image (/etc/ld.so.preload): when libuv, which is Node.js' way to the system, takes
// over stdout or stderr and it is a pipe or a socket, it is told to wait until all is written.
//
// Otherwise it writes what the pipe holds (64 KiB) and keeps the rest for later: process.exit() or an exception loses
// that, fs.writeSync() gets EAGAIN, and so do programs that share the pipe. How much arrives then depends on how soon
// it is read.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

// Of libuv; absent in programs that don't use it.
__attribute__((weak)) int uv_stream_set_blocking(void *stream, int blocking);

int uv_pipe_open(void *pipe, int descriptor) {
    int (*libuv)(void *, int) = (int (*)(void *, int))dlsym(RTLD_NEXT, "uv_pipe_open");
    int status = libuv(pipe, descriptor);
    if (status == 0 && (descriptor == STDOUT_FILENO || descriptor == STDERR_FILENO) && uv_stream_set_blocking) {
        status = uv_stream_set_blocking(pipe, 1);
    }
    return status;
}
