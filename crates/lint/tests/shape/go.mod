module shape

go 1.19
