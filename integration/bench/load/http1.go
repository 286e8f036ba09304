package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// patience bounds one request.
const patience = 20 * time.Second

// http1 writes requests and reads answers itself: net/http's client would take
// as much of the machine as the gateway.
type http1 struct {
	conn    net.Conn
	answers *bufio.Reader
	request Request
	head    []byte // of every request, up to the length of the body
	buffer  []byte // the request last sent
}

// HTTP1 connects clients to an address, each over its own connection.
func HTTP1(address string, clients int, request Request) (Crowd, error) {
	var crowd Crowd
	for range clients {
		conn, err := dial(address)
		if err != nil {
			return nil, errors.Join(err, crowd.Close())
		}
		crowd = append(crowd, &http1{conn: conn, answers: bufio.NewReaderSize(conn, 64<<10), request: request,
			head: fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nX-Api-Key: %s\r\nContent-Type: %s\r\nContent-Length: ",
				request.Path, address, request.Key, request.Type)})
	}
	return crowd, nil
}

// received is how much the kernel keeps for a client to read, in bytes. Left to
// itself it decides for each connection, by what it happens to see at first, and
// stays with that: the same gateway then took up to a fifth more CPU for large
// answers over some connections than over others.
const received = 4 << 20

func dial(address string) (*net.TCPConn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	if err := tcp.SetReadBuffer(received); err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return tcp, nil
}

func (c *http1) Close() error { return c.conn.Close() }

func (c *http1) Do() error {
	body := c.request.Body()
	b := append(c.buffer[:0], c.head...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	c.buffer = append(b, body...)
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.buffer); err != nil {
		return err
	}
	return c.answer()
}

var (
	okay   = []byte("HTTP/1.1 200")
	length = []byte("content-length:")
)

// answer reads one, which must say how long it is.
func (c *http1) answer() error {
	status, err := c.answers.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	good, said := bytes.HasPrefix(status, okay), ""
	if !good {
		said = string(bytes.TrimSpace(status))
	}
	size := -1
	for {
		line, err := c.answers.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("reading an answer's head: %w", err)
		}
		if len(line) <= len("\r\n") {
			break
		}
		if len(line) > len(length) && bytes.EqualFold(line[:len(length)], length) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(line[len(length):]))); err != nil {
				return fmt.Errorf("reading an answer's head: %w", err)
			}
		}
	}
	if !good {
		body, _ := io.ReadAll(io.LimitReader(c.answers, int64(min(max(size, 0), 1000)))) // to be shown only
		return fmt.Errorf("the answer is %s: %s", said, body)
	}
	if size < 0 {
		return fmt.Errorf("the answer does not say how long it is")
	}
	_, err = c.answers.Discard(size)
	return err
}
