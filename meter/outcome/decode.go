package outcome

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds what a zstd frame may make us allocate, in bytes.
const maxWindow = 8 << 20

// ending is how a compressed text ended.
type ending int

const (
	complete ending = iota // at its own end
	tooLong                // it goes on after what was asked for
	cutShort               // the bytes ran out
	damaged                // it is not what its encoding says
)

// decoder turns the beginning of a compressed body into text. Its parts are
// made at their first use and used again.
type decoder struct {
	encoding string
	source   bytes.Reader
	text     []byte
	gzip     *gzip.Reader
	zstd     *zstd.Decoder
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// newDecoder returns nil where there is nothing to decode.
func newDecoder(encoding string) *decoder {
	encoding = strings.ToLower(strings.TrimSpace(encoding))
	if encoding == "" || encoding == "identity" {
		return nil
	}
	d := decoders.Get().(*decoder)
	d.encoding = encoding
	return d
}

func (d *decoder) free() {
	d.source.Reset(nil)
	decoders.Put(d)
}

// decode returns at most limit bytes of text, valid until free.
func (d *decoder) decode(data []byte, limit int) ([]byte, ending) {
	d.source.Reset(data)
	from, err := d.reader(data)
	if err != nil {
		return nil, endOf(err)
	}
	if cap(d.text) < limit+1 {
		d.text = make([]byte, limit+1)
	}
	for n := 0; n <= limit; {
		read, err := from.Read(d.text[n : limit+1])
		n += read
		if err != nil && n <= limit {
			return d.text[:n], endOf(err)
		}
	}
	return d.text[:limit], tooLong
}

func endOf(err error) ending {
	switch {
	case err == io.EOF:
		return complete
	case errors.Is(err, io.ErrUnexpectedEOF):
		return cutShort
	}
	return damaged
}

var errUnknownEncoding = errors.New("unknown content encoding")

func (d *decoder) reader(data []byte) (io.Reader, error) {
	if len(data) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	switch d.encoding {
	case "gzip", "x-gzip":
		return d.gzipReader()
	case "zstd":
		return d.zstdReader()
	case "deflate":
		return d.deflateReader()
	}
	return nil, errUnknownEncoding
}

func (d *decoder) gzipReader() (io.Reader, error) {
	if d.gzip == nil {
		d.gzip = new(gzip.Reader)
	}
	return d.gzip, unexpected(d.gzip.Reset(&d.source))
}

func (d *decoder) zstdReader() (io.Reader, error) {
	if d.zstd != nil {
		return d.zstd, d.zstd.Reset(&d.source)
	}
	var err error
	d.zstd, err = zstd.NewReader(&d.source, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	return d.zstd, err
}

// deflateReader takes both readings of "deflate": in zlib's wrapping, as the
// standard has it, and bare, as some servers send it.
func (d *decoder) deflateReader() (io.Reader, error) {
	buffered := bufio.NewReader(&d.source)
	head, err := buffered.Peek(2)
	if err != nil {
		return nil, unexpected(err)
	}
	if head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		r, err := zlib.NewReader(buffered)
		return r, unexpected(err)
	}
	return flate.NewReader(buffered), nil
}

// unexpected tells a header that the bytes ran out in.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
