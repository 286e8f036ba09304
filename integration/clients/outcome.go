// Package clients calls the two image services through the vendors' own SDKs,
// so that what a customer's program sees of an endpoint can be tested: the
// service itself, or a gateway in front of it.
//
//	c, err := clients.NewRecognition(clients.Config{Endpoint: "http://127.0.0.1:8080", AccessKey: "AK1"})
//	tags, outcome := c.Tag(pictures.PNG(picture), clients.TagOptions{Language: "en"})
package clients

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// Config points a client at an endpoint.
type Config struct {
	Endpoint  string            // base address, such as http://127.0.0.1:8080
	AccessKey string            // default "test-access-key"
	SecretKey string            // default "test-secret-key"
	Project   string            // recognition only; default "test-project"
	Headers   map[string]string // sent with every call, such as X-Api-Key
	Timeout   time.Duration     // of a whole call; default 10 s
}

func (c Config) withDefaults() Config {
	c.Headers = maps.Clone(c.Headers)
	c.AccessKey = cmp.Or(c.AccessKey, "test-access-key")
	c.SecretKey = cmp.Or(c.SecretKey, "test-secret-key")
	c.Project = cmp.Or(c.Project, "test-project")
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	return c
}

// Outcome is what a vendor's SDK lets its user know of a call.
type Outcome struct {
	OK      bool
	Status  int         // HTTP status; 0 without an answer
	Code    string      // the vendor's error code as the SDK shows it
	Message string      // the vendor's error message as the SDK shows it
	Header  http.Header // of the answer, nil without one or where the SDK hides it
	Err     error       // the SDK's error; nil if it saw none, even where OK is false
}

func (o Outcome) String() string {
	if o.OK {
		return fmt.Sprintf("ok (%d)", o.Status)
	}
	return fmt.Sprintf("failed (%d) %s: %s", o.Status, o.Code, o.Message)
}

// transport is one connection pool for each client. No proxy: loopback only.
func transport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 64}
}
