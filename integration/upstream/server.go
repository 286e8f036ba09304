// Package upstream is a small image service that speaks the wire formats of
// two vendors: Huawei Cloud Image v2 (recognition) and Alibaba Cloud
// ImageSearch 2019-03-25 (search). It really decodes, measures and compares
// pictures, fails on demand (see Fault), and keeps a log of what it did (see
// Entry) against which a meter in front of it can be judged.
//
//	server, err := upstream.Start(upstream.Config{Truth: "truth.jsonl"})
//	defer server.Close()
//	// point a vendor's SDK, or a proxy, at server.URL()
package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// Config says where to listen and what to write. The zero value listens on a
// free loopback port and keeps no log.
type Config struct {
	Listen      string // host:port; default 127.0.0.1:0, a free port
	AllowRemote bool   // accept a Listen address that is not loopback
	Truth       string // file the truth log is appended to; empty keeps none

	// LenientPaths serves what sloppy services serve: any case, doubled and
	// trailing slashes, dot segments. A meter must not be fooled by it.
	LenientPaths bool
}

// Server is a running sample upstream.
type Server struct {
	config   Config
	listener net.Listener
	http     *http.Server
	truth    *truthLog
	index    index
	replies  cache[[]byte]
	prints   cache[fingerprint]
	sequence atomic.Uint64 // numbers the requests that come without an id
	busy     atomic.Int64  // calls that run
	routes   map[string]operation
	close    func() error
}

// Start listens and serves until Close.
func Start(config Config) (*Server, error) {
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	if err := checkListen(config); err != nil {
		return nil, err
	}
	truth, err := openTruth(config.Truth)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for the sample upstream: %w", err), truth.close())
	}
	s := &Server{config: config, listener: listener, truth: truth}
	s.close = sync.OnceValue(func() error {
		return errors.Join(s.http.Close(), s.truth.close())
	})
	s.routes = s.operations()
	s.http = &http.Server{Handler: http.HandlerFunc(s.route)}
	go s.http.Serve(listener) // returns ErrServerClosed when Close is called
	return s, nil
}

func checkListen(config Config) error {
	host, _, err := net.SplitHostPort(config.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", config.Listen, err)
	}
	ip := net.ParseIP(host)
	if loopback := host == "localhost" || ip != nil && ip.IsLoopback(); !loopback && !config.AllowRemote {
		return fmt.Errorf("listen address %q is not loopback: allow remote clients explicitly", config.Listen)
	}
	return nil
}

// URL is the base address, such as http://127.0.0.1:9000.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Images is how many pictures a search instance holds.
func (s *Server) Images(instance string) int { return s.index.count(instance) }

// Picture is a picture that a search instance holds.
type Picture struct{ Product, Name string }

// Pictures lists what a search instance holds, in no order.
func (s *Server) Pictures(instance string) (list []Picture) {
	for _, key := range s.index.list(instance) {
		list = append(list, Picture{key.product, key.name})
	}
	return list
}

// Drop deletes a search instance with all it holds, as an operator does who is
// told of its release.
func (s *Server) Drop(instance string) { s.index.drop(instance) }

// Busy is how many calls run. Those of clients that are gone are among them
// until they have changed what they change.
func (s *Server) Busy() int { return int(s.busy.Load()) }

// Close ends all connections, hung ones too, and closes the truth log.
// Closing again changes nothing.
func (s *Server) Close() error { return s.close() }

// operations maps a route, as routeOf gives it, to what serves it.
func (s *Server) operations() map[string]operation {
	return map[string]operation{
		"/v2/*/image/tagging":               s.recognition("recognition/image-tagging", tagging),
		"/v2/*/image/media-tagging":         s.recognition("recognition/media-tagging", mediaTagging),
		"/v2/*/image/media-tagging-det":     s.recognition("recognition/media-tagging-det", mediaTaggingDet),
		"/v2/*/image/celebrity-recognition": s.recognition("recognition/celebrity-recognition", celebrities),
		"/v2/*/image/main-object-detection": s.recognition("recognition/main-object-detection", mainObject),
		// The SDK calls this operation under v3.
		"/v3/*/image/main-object-detection": s.recognition("recognition/main-object-detection", mainObject),

		"/v2/image/add":    s.search("search/add", s.addImage),
		"/v2/image/search": s.search("search/search", s.searchImage),
		"/v2/image/delete": s.search("search/delete", s.deleteImage),
	}
}

// route finds the operation without a ServeMux, whose redirects would hide
// from the truth log what arrived under an odd path.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path
	if s.config.LenientPaths {
		name = strings.ToLower(path.Clean("/" + name))
	}
	if name == "/healthz" {
		w.Write([]byte("ok\n"))
		return
	}
	route, project := routeOf(name)
	op, ok := s.routes[route]
	if !ok || r.Method != http.MethodPost {
		op = s.unknown(r.Method + " " + r.URL.Path)
	}
	s.serve(op, project, w, r)
}

// routeOf replaces the {project_id} of a recognition path by a star.
func routeOf(name string) (route, project string) {
	parts := strings.Split(name, "/")
	if len(parts) == 5 && parts[2] != "" && parts[3] == "image" {
		project, parts[2] = parts[2], "*"
	}
	return strings.Join(parts, "/"), project
}

// unknown answers every path and method that is not an operation.
func (s *Server) unknown(what string) operation {
	return operation{
		name:    "unknown",
		failure: huaweiFailure,
		run: func(*call) ([]byte, error) {
			return nil, &refusal{http.StatusNotFound, "APIGW.0101", "the API does not exist: " + what}
		},
	}
}
