package time

type Duration int64

const (
	Nanosecond  Duration = 1
	Microsecond          = 1000 * Nanosecond
	Millisecond          = 1000 * Microsecond
	Second               = 1000 * Millisecond
	Minute               = 60 * Second
	Hour                 = 60 * Minute
)

func (d Duration) Hours() float64
func (d Duration) Microseconds() int64
func (d Duration) Milliseconds() int64
func (d Duration) Minutes() float64
func (d Duration) Nanoseconds() int64
func (d Duration) Seconds() float64
func (d Duration) String() string

type Location struct{ name string }

var Local, UTC *Location

type Time struct{ state int64 }

func Now() Time
func Since(t Time) Duration
func Unix(sec int64, nsec int64) Time
func Until(t Time) Duration
func (t Time) Add(d Duration) Time
func (t Time) After(u Time) bool
func (t Time) Before(u Time) bool
func (t Time) Equal(u Time) bool
func (t Time) Format(layout string) string
func (t Time) IsZero() bool
func (t Time) String() string
func (t Time) Sub(u Time) Duration
func (t Time) UTC() Time
func (t Time) Unix() int64
func (t Time) UnixMilli() int64
func (t Time) UnixNano() int64

type Timer struct {
	C     <-chan Time
	state int32
}

func AfterFunc(d Duration, f func()) *Timer
func NewTimer(d Duration) *Timer
func (t *Timer) Reset(d Duration) bool
func (t *Timer) Stop() bool

type Ticker struct {
	C     <-chan Time
	state int32
}

func NewTicker(d Duration) *Ticker
func (t *Ticker) Reset(d Duration)
func (t *Ticker) Stop()

func After(d Duration) <-chan Time
func ParseDuration(s string) (Duration, error)
func Sleep(d Duration)
func Tick(d Duration) <-chan Time
