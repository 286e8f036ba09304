package outcome

import (
	"fmt"
	"strings"
	"testing"
)

// answerOf is a response of image recognition, so many bytes long.
func answerOf(size int) string {
	const (
		head = `{"result":{"tags":[`
		tag  = `{"confidence":"98.38","type":"object","tag":"dog"}`
		tail = `]},"request":"0001"}`
	)
	n := max(1, (size-len(head)-len(tail)+1)/(len(tag)+1))
	text := head + strings.Repeat(tag+",", n-1) + tag + tail
	return text + strings.Repeat(" ", max(0, size-len(text)))
}

// BenchmarkBody judges whole bodies, plain and compressed, and the beginning of
// one that is longer than what is looked at.
func BenchmarkBody(b *testing.B) {
	for _, size := range []int{90, 1 << 10, 64 << 10} {
		text := answerOf(size)
		for _, body := range []Body{{Seen: []byte(text), Whole: true}, {Encoding: "gzip", Seen: encode("gzip", text), Whole: true}} {
			b.Run(fmt.Sprintf("bytes=%d/encoding=%s", size, body.Encoding), func(b *testing.B) { judge(b, body) })
		}
	}
	b.Run("bytes=more", func(b *testing.B) { judge(b, Body{Seen: []byte(answerOf(128 << 10))[:64<<10]}) })
}

func judge(b *testing.B, body Body) {
	b.ReportAllocs()
	for b.Loop() {
		if why, _ := recognition.OfBody(body); why != 0 {
			b.Fatal(why)
		}
	}
}
