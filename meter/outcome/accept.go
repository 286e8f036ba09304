package outcome

import "strings"

// Readable reduces an Accept-Encoding header to the encodings that OfBody can
// read, so that an upstream which honours the header sends nothing else. "*" is
// read as gzip. Where nothing is left, the body is asked for as it is.
func Readable(accept string) string {
	if strings.TrimSpace(accept) == "" || allReadable(accept) {
		return accept
	}
	var kept []string
	for part := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch {
		case readable(name):
			kept = append(kept, strings.TrimSpace(part))
		case strings.TrimSpace(name) == "*" && !strings.Contains(accept, "gzip"):
			kept = append(kept, strings.TrimSuffix("gzip;"+weight, ";"))
		}
	}
	if len(kept) == 0 {
		return "identity"
	}
	return strings.Join(kept, ", ")
}

func allReadable(accept string) bool {
	for more := true; more; {
		var part string
		part, accept, more = strings.Cut(accept, ",")
		name, _, _ := strings.Cut(part, ";")
		if !readable(name) {
			return false
		}
	}
	return true
}

func readable(name string) bool {
	name = strings.TrimSpace(name)
	for _, known := range [...]string{"gzip", "zstd", "deflate", "identity", "x-gzip"} {
		if strings.EqualFold(name, known) {
			return true
		}
	}
	return false
}
