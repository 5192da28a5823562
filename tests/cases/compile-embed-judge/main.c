// Tries: to have the assembler put PID 1's program into its own. Stopped by: nobody can read it.
__asm__(".section .rodata\n.incbin \"/caisson/agent\"\n.incbin \"/proc/1/exe\"\n");

int main(void) { return 0; }
