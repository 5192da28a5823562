class Smuggled {}
