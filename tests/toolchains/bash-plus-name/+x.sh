echo the file
