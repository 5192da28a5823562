echo library
