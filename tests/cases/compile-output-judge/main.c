// Tries: to have PID 1's program run as its own: the compile step (see job.json) puts a link to it in place of the
// binary. Stopped by: anybody but PID 1 who starts it is turned away.
int main(void) { return 0; }
