package log

func Fatal(v ...any)
func Fatalf(format string, v ...any)
func Fatalln(v ...any)
func Panic(v ...any)
func Panicf(format string, v ...any)
func Panicln(v ...any)
func Print(v ...any)
func Printf(format string, v ...any)
func Println(v ...any)
