# Tries: to be in the way of whoever empties the workspace: folders of the names that the emptying itself could use,
# each with something in it, in a tree that must be made flat. Stopped by: another name is taken.
import os

print(sorted(os.listdir("/box") + os.listdir("/tmp")))
for place in ("/box", "/tmp"):
    for number in range(2000):
        path = f"{place}/.wipe-{number}"
        if number % 3 == 0:
            open(path, "w").close()
        elif number % 3 == 1:
            os.makedirs(path + "/.wipe-1/.wipe-2")
        else:
            os.symlink("/", path)
    os.makedirs(place + "/tree/" + "/".join(f".wipe-{number}" for number in range(100)))
