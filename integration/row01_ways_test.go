package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// patience is how long a place may take to be reached.
const patience = time.Minute

// orderKill says at which hit of a place the gateway is killed, from now on, and
// what else happens there.
func orderKill(t testing.TB, control, place string, hit int, more ...string) {
	t.Helper()
	orders := append(more, fmt.Sprintf("%s kill %d", place, hit))
	err := os.WriteFile(control+".new", []byte(strings.Join(orders, "\n")+"\n"), 0o600)
	if err == nil {
		err = os.Rename(control+".new", control)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// orderNothing takes all orders back.
func orderNothing(t testing.TB, control string) {
	t.Helper()
	if err := os.Remove(control); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// underLoad waits for the place while the gateway serves.
func (k *killScene) underLoad(place string, hit int) bool {
	k.t.Helper()
	orderKill(k.t, k.control, place, hit)
	k.open()
	reached := k.died()
	k.again()
	return reached
}

// died waits until a kill has ended the gateway.
func (k *killScene) died() bool {
	k.t.Helper()
	select {
	case <-k.Exited():
		if err := k.Failure(); err.Error() != "signal: killed" {
			k.row.fault(k.t, "the gateway ended by itself: %v", err)
		}
		return true
	case <-time.After(patience):
		return false
	}
}

// again starts the killed gateway without orders.
func (k *killScene) again() {
	k.t.Helper()
	k.kill()
	orderNothing(k.t, k.control)
	k.start()
}

// whileItRecovers kills the gateway under load, and then as it starts.
func (k *killScene) whileItRecovers(place string, hit int) bool {
	k.t.Helper()
	k.load(k.row.chance, 100, 400)
	return k.startIsKilled(place, hit)
}

// startIsKilled kills the gateway, and the start that follows at a place; where
// that has fewer hits, the next at the first.
func (k *killScene) startIsKilled(place string, hit int) bool {
	k.t.Helper()
	reached := false
	for _, at := range []int{hit, 1} {
		k.kill()
		orderKill(k.t, k.control, place, at)
		k.images.interrupts++
		err := k.Start()
		if reached = err != nil; reached {
			if !strings.Contains(err.Error(), "signal: killed") {
				k.row.fault(k.t, "%v", err)
			}
			break
		}
	}
	k.again()
	return reached
}

// whileItCatchesUp puts an older state of the ledger in place, and the journal
// is so long since that recovery flushes on the way, in several commits each.
func (k *killScene) whileItCatchesUp(place string, hit int) bool {
	k.t.Helper()
	b := k.newBurst()
	if err := k.Stop(); err != nil {
		k.row.fault(k.t, "%v", err)
	}
	now, older := filepath.Join(k.Dir, "ledger", "badger"), filepath.Join(k.t.TempDir(), "badger")
	if err := os.CopyFS(older, os.DirFS(now)); err != nil {
		k.t.Fatal(err)
	}
	k.start()
	b.run(4200)
	b.clients.Wait()
	k.kill()
	if err := errors.Join(os.RemoveAll(now), os.CopyFS(now, os.DirFS(older))); err != nil {
		k.t.Fatal(err)
	}
	reached := k.startIsKilled(place, hit)
	b.check()
	return reached
}

// whileAFoldIsLong kills the gateway between two commits of one fold: under load
// there is only one, for the most part.
func (k *killScene) whileAFoldIsLong(place string, hit int) bool {
	k.t.Helper()
	if k.row.long && k.row.chance.IntN(3) > 0 {
		return k.underLoad(place, hit)
	}
	return k.whileItCatchesUp(place, hit)
}

// whileASegmentEnds sends commands until the journal goes on in a new segment,
// or, every other time, lets a ledger begin.
func (k *killScene) whileASegmentEnds(place string, hit int) bool {
	k.t.Helper()
	if !k.row.long || k.row.chance.IntN(2) == 0 {
		return k.whileALedgerBegins(place, hit)
	}
	b := k.newBurst()
	orderKill(k.t, k.control, place, hit)
	b.run(200_000)
	reached := k.died()
	close(b.stop)
	b.clients.Wait()
	k.again()
	b.check()
	return reached
}

// whileALedgerBegins kills the first start of another gateway.
func (k *killScene) whileALedgerBegins(place string, hit int) bool {
	k.t.Helper()
	control := filepath.Join(k.t.TempDir(), "failpoints")
	r := newRig(k.t, harness.Config{Binary: harness.FailpointBinary(k.t), Env: []string{"TALLYGATE_FAILPOINTS=" + control}}, nil)
	orderKill(k.t, control, place, hit)
	err := r.Start()
	switch {
	case err == nil: // it served by then: what a start leaves to its first second
		select {
		case <-r.Exited():
			r.Kill()
		case <-time.After(20 * time.Second):
			return false
		}
	case !strings.Contains(err.Error(), "signal: killed"):
		k.row.fault(k.t, "%v", err)
	}
	orderNothing(k.t, control)
	r.start()
	r.open("first", "10.00")
	c := &customer{site: r.URL(), account: "first", operation: "recognition/media-tagging", http: connections()}
	defer c.http.CloseIdleConnections()
	if a := c.call(); !a.ok() {
		k.row.fault(k.t, "a ledger whose beginning was killed: %d %s (%v)", a.status, a.body, a.err)
	}
	if n := r.usage("first").counted()[c.operation]; n != 1 {
		k.row.fault(k.t, "a ledger whose beginning was killed has %d calls of one", n)
	}
	if err := r.Stop(); err != nil {
		k.row.fault(k.t, "%v", err)
	}
	return true
}

// whileTheDiskFails lets the sync of a command fail, after which the gateway
// opens its journal again.
func (k *killScene) whileTheDiskFails(place string, hit int) bool {
	k.t.Helper()
	k.gate.shut()
	k.images.gate.shut()
	account := fmt.Sprintf("patient-%d", len(k.others))
	k.others = append(k.others, account)
	k.rig.open(account, "1.00")
	orderKill(k.t, k.control, place, hit, "journal/sync EIO 1 1")
	request := harness.Request{Path: "/tallygate/accounts/" + account + "/topups", Header: once(account),
		Body: map[string]any{"amount": "0.01", "reference": "until it is answered"}}
	answered := k.API(request, nil) == nil
	reached := k.died()
	k.again()
	if answered {
		k.row.fault(k.t, "a command was acknowledged whose sync failed")
	}
	k.api(request, nil)
	switch balance := cents(k.t, k.usage(account).Balance); {
	case balance < 101:
		k.row.lose(k.t, 1, "%s has %d cents", account, balance)
	case balance > 101:
		k.row.double(k.t, int(balance-101), "%s has %d cents", account, balance)
	}
	return reached
}

// inArrears makes a debtor, whose grace ends a second after the settlement.
func (k *killScene) inArrears(place string, hit int) bool {
	k.t.Helper()
	account := fmt.Sprintf("debtor-%d", len(k.others))
	k.others = append(k.others, account)
	k.rig.open(account, "0.01")
	orderKill(k.t, k.control, place, hit)
	c := &customer{site: k.URL(), account: account, operation: "recognition/media-tagging", http: connections()}
	defer c.http.CloseIdleConnections()
	const calls = 30 // for 4 cents
	for range calls {
		if a := c.call(); !a.ok() {
			k.t.Fatalf("a debtor's call: %d %s (%v)", a.status, a.body, a.err)
		}
	}
	k.open()
	reached := k.died()
	k.again()
	if n := k.usage(account).counted()[c.operation]; n < calls {
		k.row.lose(k.t, calls-int(n), "%s: %d calls were answered", account, calls)
	} else if n > calls {
		k.row.double(k.t, int(n)-calls, "%s: %d calls were answered", account, calls)
	}
	return reached
}
