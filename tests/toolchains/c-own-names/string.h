a file of data
