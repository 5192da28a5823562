// Tries: to have PID 1's own executable run as the program, by a link through /proc (see job.json). Stopped by: the link
// leads nowhere for a program's user.
int main(void) { return 0; }
