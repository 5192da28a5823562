# Tries: to have its files read as settings of the interpreter and of tools, from the home folder, and to leave some there
# for the next program. Stopped by: the home folder isn't the job's, and is empty when a program starts.
import os
import site
import sys

home = os.path.expanduser("~")
print("home:", home != os.getcwd(), sorted(os.listdir(home)))
print("site:", "smuggled" in sys.modules, "usercustomize" in sys.modules, os.path.exists(site.getusersitepackages()))
for folder in (site.getusersitepackages(), f"{home}/.node_modules/fs-extra"):
    os.makedirs(folder)
for name in ("usercustomize.py", "smuggled.pth"):
    with open(f"{site.getusersitepackages()}/{name}", "w") as file:
        file.write("import smuggled\n" if name.endswith(".pth") else "print('customized')\n")
with open(f"{home}/.gitconfig", "w") as file:
    file.write("[core]\n\tpager = id\n")
