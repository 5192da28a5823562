from pathlib import Path

print(Path("данные/список #1.txt").read_text(encoding="utf-8").strip())
