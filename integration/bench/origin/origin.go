// Package origin is the upstream of the benchmark: a process of its own, made
// from the program that measures, which answers at once.
//
//	func main() {
//		origin.Main() // serves for ever in the process that Start made
//		…
//	}
package origin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tallygate/tallygate/integration/process"
)

// addressVariable of the environment says where an origin is to serve.
const addressVariable = "TALLYGATE_BENCH_ORIGIN"

// Paths of what it answers.
const (
	Tagging      = "/v2/small/image/tagging"
	Detection    = "/v2/small/image/detection"
	LargeTagging = "/v2/large/image/tagging"
	Add          = "/v2/image/add"
)

const tag = `{"confidence":"97.58","tag":"shapes","type":"object"}`

const small = `{"result":{"tags":[` + tag + `]},"trace_id":"5f0c2"}`

var answers = map[string][]byte{
	Tagging:      []byte(small),
	Detection:    []byte(small),
	LargeTagging: []byte(`{"result":{"tags":[` + tag + strings.Repeat(","+tag, 1_000_000/(len(tag)+1)) + `]}}`),
	Add:          []byte(`{"RequestId":"5f0c2","Success":true,"Code":0,"Message":"success"}`),
}

// Size of the answer on a path, in bytes.
func Size(path string) int { return len(answers[path]) }

// Main serves where this process is an origin; elsewhere it does nothing.
func Main() {
	address := os.Getenv(addressVariable)
	if address == "" {
		return
	}
	mux := http.NewServeMux()
	for path, body := range answers {
		mux.HandleFunc(path, answer(body))
	}
	fmt.Fprintln(os.Stderr, "origin:", http.ListenAndServe(address, mux))
	os.Exit(1)
}

func answer(body []byte) http.HandlerFunc {
	contentType, length := []string{"application/json"}, []string{strconv.Itoa(len(body))}
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header()["Content-Type"], w.Header()["Content-Length"] = contentType, length
		w.Write(body) // fails where the proxy has left
	}
}

// Start runs an origin, its log in a folder, and returns where it serves.
func Start(dir string) (*process.Process, string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	address, err := process.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), addressVariable+"="+address, "GOGC=400")
	p, err := process.Launch(cmd, filepath.Join(dir, "origin.log"))
	if err != nil {
		return nil, "", err
	}
	return p, address, Await(p, address)
}

// startMax bounds how long a server may take to listen.
const startMax = 20 * time.Second

// Await returns when a process listens on an address. One that does not is killed.
func Await(p *process.Process, address string) error {
	giveUp := time.After(startMax)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.Ended():
			return fmt.Errorf("the process ended before it listened on %s: %w", address, p.Failure())
		case <-giveUp:
			p.Kill()
			return fmt.Errorf("waiting for %s: %w", address, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
