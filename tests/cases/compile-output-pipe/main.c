// Tries: to make PID 1 wait for ever by opening what never answers: a pipe in place of the program, and more pipes and
// sockets where files are expected (see job.json). Stopped by: only files, folders and links are looked at.
int main(void) { return 0; }
