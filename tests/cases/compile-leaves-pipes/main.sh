# Tries: to tell the first test from the second by pipes that the compile step left (see job.json), which a copy of the
# workspace doesn't have. Stopped by: every test starts from the same copy.
echo *
