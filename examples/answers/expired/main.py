print("too late")
