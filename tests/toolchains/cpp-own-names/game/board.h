inline int side() { return 8; }
