package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// bodyMax bounds a request body: a picture of 10 MB in base64, and some air.
const bodyMax = 16 << 20

// operation is one priced call of a vendor's API.
type operation struct {
	name    string
	run     func(*call) ([]byte, error) // the body of a success, or a *refusal
	failure func(refusal, *call) []byte // the vendor's shape of an error body
	canned  []byte                      // the body of Fault.Canned
}

// refusal is an error that the client is to see in the vendor's shape.
type refusal struct {
	status  int
	code    string
	message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s", r.code, r.message) }

// call is one request on its way through an operation.
type call struct {
	operation
	w     http.ResponseWriter
	r     *http.Request
	body  []byte
	fault Fault
	truth Entry
}

// serve runs one call: faults that answer nothing, then the operation, then
// the truth, then the answer.
func (s *Server) serve(op operation, project string, w http.ResponseWriter, r *http.Request) {
	s.busy.Add(1)
	defer s.busy.Add(-1)
	c := &call{operation: op, w: w, r: r, truth: Entry{
		Operation: op.name, RequestID: r.Header.Get("X-Request-Id"), Project: project,
	}}
	// Echoed below; the log keeps only ids that the client chose.
	id := c.truth.RequestID
	if id == "" {
		id = fmt.Sprintf("sample-%d", s.sequence.Add(1))
	}
	w.Header().Set("X-Request-Id", id)

	body, err := c.prepare()
	if err == nil {
		err = c.stall()
	}
	if err == nil {
		body, err = c.outcome(body)
	}
	var refused *refusal
	switch {
	case err == nil:
		s.succeed(c, body)
	case errors.As(err, &refused):
		s.refuse(c, *refused)
	default:
		s.abandon(c, err.Error())
	}
}

// prepare reads the fault and the request body. Under Canned the body is
// thrown away, and the answer is known already.
func (c *call) prepare() (canned []byte, err error) {
	c.fault, err = parseFault(c.r)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "SampleFault", err.Error()}
	}
	reader := http.MaxBytesReader(c.w, c.r.Body, bodyMax)
	if c.fault.Canned {
		canned = c.canned
		_, err = io.Copy(io.Discard, reader)
	} else {
		c.body, err = io.ReadAll(reader)
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "TooLarge", "the request body is larger than 16 MiB"}
	}
	if err != nil {
		return nil, errors.New("upload-aborted")
	}
	return canned, nil
}

// stall spends the time that Delay and Hang ask for. A returned error is the
// kind of failure: no answer is to leave. Close ends it too, through the
// request's context.
func (c *call) stall() error {
	switch ctx := c.r.Context(); {
	case c.fault.Hangup:
		return errors.New("hangup")
	case c.fault.Hang:
		<-ctx.Done()
		return errors.New("hang")
	case !pause(ctx, c.fault.Delay):
		return errors.New("client-gone")
	}
	return nil
}

// outcome runs the operation, unless a fault decides: a fault that is an error
// changes nothing in the service.
func (c *call) outcome(canned []byte) ([]byte, error) {
	switch {
	case c.fault.Status != 0:
		return nil, &refusal{c.fault.Status, "ServiceBusy", "the sample upstream was asked to fail"}
	case c.fault.ErrorIn200:
		return nil, &refusal{http.StatusOK, "error-in-200", "the sample upstream was asked to fail"}
	case canned != nil:
		return canned, nil
	}
	return c.run(c)
}

// succeed logs a success, or the fault that will spoil it, and then answers.
func (s *Server) succeed(c *call, body []byte) {
	c.truth.Kind = c.fault.spoils()
	c.truth.Success = c.truth.Kind == ""
	s.answer(c, http.StatusOK, body)
}

func (s *Server) refuse(c *call, r refusal) {
	c.truth.Kind = r.code
	if c.fault.Status != 0 {
		c.truth.Kind = fmt.Sprintf("status=%d", c.fault.Status)
	}
	// These two disguise a success.
	c.fault.NotJSON, c.fault.NullError = false, false
	s.answer(c, r.status, c.failure(r, c))
}

// abandon ends the connection without an answer.
func (s *Server) abandon(c *call, kind string) {
	c.truth.Kind = kind
	// Nothing leaves, so a log that cannot be written misses only a failure.
	_ = s.record(c)
	panic(http.ErrAbortHandler)
}

// answer writes the truth first and the response after it.
func (s *Server) answer(c *call, status int, body []byte) {
	c.truth.Status = status
	if err := s.record(c); err != nil {
		http.Error(c.w, err.Error(), http.StatusInternalServerError)
		return
	}
	c.fault.write(c.r.Context(), c.w, status, body)
}

func (s *Server) record(c *call) error {
	c.truth.Time = time.Now().UTC()
	return s.truth.append(c.truth)
}
