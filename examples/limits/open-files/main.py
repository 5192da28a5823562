import errno

files = []
try:
    while len(files) < 1000:
        files.append(open("/dev/null", "rb"))
    result = "no limit"
except OSError as error:
    result = errno.errorcode[error.errno]
print(result)
