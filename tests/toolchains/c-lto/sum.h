long long sum(long long, long long);
