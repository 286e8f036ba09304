package integration

import (
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// killScene is a gateway with all kinds of traffic: calls of every outcome,
// payments, packages, images. A test kills it, starts it again, and reconciles.
type killScene struct {
	*killTraffic
	images  *imageTraffic
	control string   // the failpoints' orders
	others  []string // accounts beside those of killTraffic
	checks  int
}

// imagesToo makes the rig's site one that counts images.
var imagesToo = strings.NewReplacer("exclude http.handlers.reverse_proxy", "exclude http.handlers.reverse_proxy admin.api",
	"\t\tsuccess recognition/*", `		instance search/add    form InstanceName
		instance search/delete form InstanceName
		images search/* {
			product form ProductId
			picture form PicName
			buffer  8MiB
			wait    5s
		}
		success recognition/*`).Replace(rigCaddyfile)

// newKillScene runs a gateway that settles every second; the traffic begins when
// the scene is opened.
func newKillScene(t *testing.T, r *row, config harness.Config) *killScene {
	t.Helper()
	k := &killScene{control: filepath.Join(t.TempDir(), "failpoints"), others: []string{"acme"}}
	config.Caddyfile = imagesToo
	config.Env = append(config.Env, "TALLYGATE_FAILPOINTS="+k.control)
	g := newRig(t, config, map[string]any{"flush": "1s", "arrears": "1s"})
	g.start()
	s := &scene{Gateway: g.Gateway, t: t, up: g.up, truth: g.truth,
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	shelf := s.shelf("acme", "products", imageCap)
	k.killTraffic = newKillTraffic(g)
	k.images = newImageTraffic(shelf, r.chance.Uint64())
	k.killTraffic.row, k.images.row = r, r
	t.Cleanup(k.quit)
	return k
}

func (k *killScene) open() {
	k.gate.open()
	k.images.gate.open()
}

// shut waits until nothing is in flight; the gateway does not run.
func (k *killScene) shut() {
	k.t.Helper()
	k.gate.shut()
	k.images.rest()
	eventually(k.t, "no call is in flight", time.Minute, func() bool { return k.running.Load() == 0 })
}

// load lets traffic run for a random time of so many milliseconds.
func (k *killScene) load(chance *rand.Rand, least, most int) {
	k.open()
	time.Sleep(time.Duration(least+chance.IntN(most-least)) * time.Millisecond)
}

// kill kills the gateway, or finds it killed.
func (k *killScene) kill() {
	k.t.Helper()
	k.Kill()
	k.shut()
}

// check holds all truths against each other; sometimes the images are
// reconciled, too.
func (k *killScene) check(when string) {
	k.t.Helper()
	k.killTraffic.check(when)
	k.images.check(when)
	if k.checks++; k.checks%4 == 0 {
		k.reconcile()
	}
}

// reconcile makes the images those of the upstream. An empty list would need
// another word.
func (k *killScene) reconcile() {
	k.t.Helper()
	if k.up.Images(k.images.instance) > 0 {
		k.images.reconcileImages()
	}
}

// finish lets traffic go on after the last kill, settles, and checks every
// bill, sealed file and image. The gateway is stopped then.
func (k *killScene) finish() {
	k.t.Helper()
	k.open()
	before := k.images.answers.Load()
	eventually(k.t, "money commands go on after the last kill", time.Minute, k.caughtUp())
	eventually(k.t, "images do", time.Minute, func() bool { return k.images.answers.Load() > before+50 })
	k.quit()
	k.settle()
	k.check("in the end")
	k.checkBills()
	for _, account := range k.others {
		st := k.statement(account, k.usage(account).Month)
		st.check(k.t, rigPrices)
		for _, n := range st.counted() {
			k.billed += uint64(n)
		}
	}
	k.reconcile()
	k.images.verified()
	k.t.Logf("%d calls seen to succeed, %d without an answer, %d payments; %d adds and %d deletes, %d refused at the cap",
		k.successes(), k.lost(), len(k.payments.done), k.images.seen[toAdd], k.images.seen[toDelete], k.images.refused)
	if err := k.Stop(); err != nil {
		k.row.fault(k.t, "%v", err)
	}
	k.checkSealed(k.killTraffic)
}

// quit ends all clients.
func (k *killScene) quit() {
	k.killTraffic.end()
	k.images.end()
}
