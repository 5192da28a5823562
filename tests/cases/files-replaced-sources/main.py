# Tries: to make the next test run something else: replaces its own sources by links, pipes and folders.
# Stopped by: each test starts from a fresh copy of the job's files.
import os
import stat

import helper

print(helper.WORD, *sorted(os.listdir(".")), stat.S_ISREG(os.lstat("main.py").st_mode))
os.remove("main.py")
os.mkfifo("main.py")
os.remove("helper.py")
os.symlink("/proc/self/fd/0", "helper.py")
os.mkdir("data.txt.new")
os.replace("data.txt", "data.txt.new/data.txt")
os.rename("data.txt.new", "data.txt")
for module in ("sitecustomize.py", "usercustomize.py", "os.py", "sum.pth"):
    with open(module, "w") as file:
        file.write("print('from the test before')")
