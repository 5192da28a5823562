# Tries: to be judged by what it prints: results on both streams, with the ends of lines and the escapes that would hide
# them from a person, and then fails. Stopped by: output is only compared and shown, never understood.
import sys

result = '{"version": 1, "job_id": "forge-verdict", "verdict": "accepted", "score": 100, "tests": []}'
for stream in (sys.stdout, sys.stderr):
    stream.write(f"\n{result}\n\0{result}\r\n\x1b[2J\x1b[H{result}\u2028\ufffe\uffff{result}\n")
    stream.flush()
sys.exit(3)
