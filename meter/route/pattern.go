package route

import (
	"fmt"
	"net/url"
	"strings"
)

// Pattern says which requests belong to an operation.
//
//	POST /v2/{project_id}/image/tagging    {…} stands for one segment
//	GET  /docs/*                           a last * for one segment or more
//	POST / action AddImage                 by the query's Action (RPC style)
//
// Paths are case-sensitive. A trailing slash matches only a trailing slash.
type Pattern struct {
	// Method is a method in capitals, or * for any. GET stands for HEAD, too.
	Method string `json:"method"`

	// Path is what the request's path must look like.
	Path string `json:"path"`

	// Action is the value that the query's parameter Action must have.
	Action string `json:"action,omitempty"`
}

func (p Pattern) String() string {
	if p.Action == "" {
		return p.Method + " " + p.Path
	}
	return p.Method + " " + p.Path + " action " + p.Action
}

// Check reports what is wrong with a pattern.
func (p Pattern) Check() error {
	if p.Method == "" || p.Method != strings.ToUpper(p.Method) || strings.ContainsAny(p.Method, " /") {
		return fmt.Errorf("method %q: write a method in capitals, such as POST, or * for any", p.Method)
	}
	if _, ok := Normal(&url.URL{Path: p.Path}); !ok {
		return fmt.Errorf("path %q: write a decoded path that begins with a slash, without empty or dot segments", p.Path)
	}
	segments := strings.Split(p.Path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "*" && last, isParameter(s):
		case strings.ContainsAny(s, "*{}"):
			return fmt.Errorf("path %q: segment %q: {name} stands for a whole segment, and * for all that follows a last slash", p.Path, s)
		}
	}
	return nil
}

func isParameter(segment string) bool {
	n := len(segment)
	return n > 2 && segment[0] == '{' && segment[n-1] == '}' && !strings.ContainsAny(segment[1:n-1], "*{}")
}
