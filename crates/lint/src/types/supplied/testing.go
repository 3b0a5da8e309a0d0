package testing

import "context"

type TB interface {
	Cleanup(func())
	Context() context.Context
	Error(args ...any)
	Errorf(format string, args ...any)
	Fail()
	FailNow()
	Failed() bool
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Helper()
	Log(args ...any)
	Logf(format string, args ...any)
	Name() string
	Skip(args ...any)
	SkipNow()
	Skipf(format string, args ...any)
	TempDir() string
}

type common struct{ failed bool }

func (c *common) Cleanup(f func())
func (c *common) Context() context.Context
func (c *common) Error(args ...any)
func (c *common) Errorf(format string, args ...any)
func (c *common) Fail()
func (c *common) FailNow()
func (c *common) Failed() bool
func (c *common) Fatal(args ...any)
func (c *common) Fatalf(format string, args ...any)
func (c *common) Helper()
func (c *common) Log(args ...any)
func (c *common) Logf(format string, args ...any)
func (c *common) Name() string
func (c *common) Skip(args ...any)
func (c *common) SkipNow()
func (c *common) Skipf(format string, args ...any)
func (c *common) TempDir() string

type T struct{ common }

func (t *T) Parallel()
func (t *T) Run(name string, f func(t *T)) bool

type B struct {
	common
	N int
}

func (b *B) Loop() bool
func (b *B) ResetTimer()
func (b *B) Run(name string, f func(b *B)) bool
func (b *B) RunParallel(body func(*PB))
func (b *B) StartTimer()
func (b *B) StopTimer()

type PB struct{ state int32 }

func (pb *PB) Next() bool

type M struct{ state int32 }

func (m *M) Run() (code int)
