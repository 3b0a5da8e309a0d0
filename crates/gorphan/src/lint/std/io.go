package io

type Reader interface{ Read(p []byte) (n int, err error) }
type Writer interface{ Write(p []byte) (n int, err error) }
type Closer interface{ Close() error }
type ReadCloser interface {
	Reader
	Closer
}
type WriteCloser interface {
	Writer
	Closer
}
type ReadWriter interface {
	Reader
	Writer
}
type ReadWriteCloser interface {
	Reader
	Writer
	Closer
}

var Discard Writer
var EOF, ErrClosedPipe, ErrUnexpectedEOF error

func Copy(dst Writer, src Reader) (written int64, err error)
func NopCloser(r Reader) ReadCloser
func ReadAll(r Reader) ([]byte, error)
func WriteString(w Writer, s string) (n int, err error)

type PipeReader struct{ state int32 }

func (r *PipeReader) Close() error
func (r *PipeReader) CloseWithError(err error) error
func (r *PipeReader) Read(data []byte) (n int, err error)

type PipeWriter struct{ state int32 }

func (w *PipeWriter) Close() error
func (w *PipeWriter) CloseWithError(err error) error
func (w *PipeWriter) Write(data []byte) (n int, err error)

func Pipe() (*PipeReader, *PipeWriter)
