gcc -o bomb bomb.c
exec ./bomb
