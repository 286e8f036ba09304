package integration

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/integration/upstream"
)

const bareSite = `{
	{{.Options}}
}
http://{{.HTTP}} {
	respond /other A
	reverse_proxy {{.Upstream}}
}
`

// BenchmarkReload shows that calls which get no answer over reloads are Caddy's
// doing: the same traffic and as many reloads, with and without a meter, over
// kept connections and over a new one for every call. It reports how many of
// 1,000 calls got none.
func BenchmarkReload(b *testing.B) {
	metered := strings.Replace(bareSite, "\treverse_proxy", `	meter {
		mode observe
		key header X-Api-Key
		operation recognition/image-tagging POST /v2/{project_id}/image/tagging
	}
	reverse_proxy`, 1)
	metered = strings.Replace(metered, "{{.Options}}\n", "{{.Options}}\n\ttallygate {\n\t\tledger ./data\n\t\tpricebook ./book.yaml\n\t}\n", 1)
	for name, site := range map[string]string{"bare": bareSite, "metered": metered} {
		for connections, keep := range map[string]bool{"kept": true, "new": false} {
			b.Run(name+"/"+connections, func(b *testing.B) {
				for range b.N {
					reportUnanswered(b, site, keep)
				}
			})
		}
	}
}

func reportUnanswered(b *testing.B, site string, keep bool) {
	up, err := upstream.Start(upstream.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer up.Close()
	g := harness.Run(b, harness.Config{Caddyfile: site, Upstream: strings.TrimPrefix(up.URL(), "http://"),
		Files: map[string]string{"book.yaml": rigBook}})
	var answered, unanswered atomic.Int64
	var done atomic.Bool
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableKeepAlives: !keep}}
			defer c.CloseIdleConnections()
			for !done.Load() {
				resp, err := c.Post(g.URL()+"/v2/x/image/tagging?sample_fault=canned", "application/json", strings.NewReader("{}"))
				if err != nil {
					unanswered.Add(1)
					continue
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				answered.Add(1)
			}
		})
	}
	for i := range 50 {
		for before := answered.Load(); answered.Load() < before+300; {
			time.Sleep(time.Millisecond)
		}
		if err := g.Reload(strings.Replace(site, "respond /other A", "respond /other "+string(rune('A'+i%26)), 1)); err != nil {
			b.Fatal(err)
		}
	}
	done.Store(true)
	clients.Wait()
	b.ReportMetric(float64(unanswered.Load())/float64(answered.Load())*1000, "unanswered/1000")
	b.ReportMetric(0, "ns/op")
	if err := g.Stop(); err != nil {
		b.Error(err)
	}
}
