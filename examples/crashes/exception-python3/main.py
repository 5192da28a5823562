print({"one": 1}["two"])
