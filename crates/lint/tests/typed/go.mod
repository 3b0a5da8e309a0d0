module typed

go 1.23
