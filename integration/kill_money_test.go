package integration

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// payments are money commands that are sent again, with the same idempotency
// key, until they are acknowledged.
type payments struct {
	mu   sync.Mutex
	done []payment
}

type payment struct {
	request harness.Request
	answer  string
}

// bought is how many packages a run buys at most.
const bought = 8

func cutID(id string) (account, number string, ok bool) { return strings.Cut(id, "#") }

// pay starts the clients that pay: two of them top up, one buys packages.
func (w *killTraffic) pay() {
	for payer := range 2 {
		w.clients.Go(func() {
			for n := 0; w.command(harness.Request{Path: "/tallygate/accounts/mixed/topups",
				Header: once(fmt.Sprintf("payer %d command %d", payer, n)),
				Body:   map[string]any{"amount": "0.07", "reference": fmt.Sprintf("wire %d-%d", payer, n)}}); n++ {
				time.Sleep(3 * time.Millisecond)
			}
		})
	}
	w.clients.Go(func() {
		for n := range bought {
			if !w.command(harness.Request{Path: "/tallygate/accounts/mixed/packages", Header: once(fmt.Sprintf("package %d", n)),
				Body: map[string]any{"package": "tagging-300"}}) {
				return
			}
			select {
			case <-w.stop:
			case <-time.After(2 * time.Second):
			}
		}
	})
}

// command sends a command until it is acknowledged, through any number of
// kills. It reports false when all is over, and never leaves one undecided.
func (w *killTraffic) command(request harness.Request) bool {
	for {
		select {
		case <-w.stop:
			return false
		case <-w.gate.way():
		}
		if w.acknowledged(request) {
			return true
		}
	}
}

func (w *killTraffic) acknowledged(request harness.Request) bool {
	for {
		var answer map[string]any
		err := w.API(request, &answer)
		if err == nil {
			w.payments.mu.Lock()
			w.payments.done = append(w.payments.done, payment{request, fmt.Sprint(answer)})
			w.payments.mu.Unlock()
			return true
		}
		var refused *harness.Refused
		if errors.As(err, &refused) && !w.dark.Load() {
			w.t.Errorf("%s %v: %v", request.Path, request.Header, err)
			return true
		}
		select {
		case <-w.abort:
			return false
		case <-w.gate.way():
			time.Sleep(time.Millisecond)
		}
	}
}

// caughtUp reports, when it is called again, whether commands were acknowledged
// since.
func (w *killTraffic) caughtUp() func() bool {
	count := func() int {
		w.payments.mu.Lock()
		defer w.payments.mu.Unlock()
		return len(w.payments.done)
	}
	before := count()
	return func() bool { return count() > before+10 }
}

// checkBills: every command was done once and is answered again as it was, and
// the statements follow from counts and prices.
func (w *killTraffic) checkBills() {
	w.t.Helper()
	wires, packages := map[string]int{}, 0
	for _, p := range w.payments.done {
		var again map[string]any
		if err := w.API(p.request, &again); err != nil || fmt.Sprint(again) != p.answer {
			w.row.fault(w.t, "%v: answered with %s, and again with %v (%v)", p.request.Header, p.answer, again, err)
		}
		body := p.request.Body.(map[string]any)
		if reference, ok := body["reference"].(string); ok {
			wires[reference] = 0
		} else {
			packages++
		}
	}
	for _, account := range []string{"mixed", "plain", "search"} {
		u := w.usage(account)
		st := w.statement(account, u.Month)
		st.check(w.t, rigPrices)
		for _, l := range st.Lines {
			w.billed += uint64(l.Calls)
		}
		if st.Usage != u.Debited || cents(w.t, u.Unsettled) != 0 {
			w.row.fault(w.t, "%s: the statement says %s for usage, the report %s and %s to come", account, st.Usage, u.Debited, u.Unsettled)
		}
		if account == "mixed" {
			checkFunding(w, st, packages+1)
			checkMovements(w, st, wires, packages+1)
		}
	}
}

// checkFunding: no more was free and prepaid than there is.
func checkFunding(w *killTraffic, st statement, packages int) {
	w.t.Helper()
	prepaid, calls := 0, int64(0)
	for _, l := range st.Lines {
		if l.Operation == "recognition/image-tagging" {
			calls += l.Calls
		}
		switch kind, _, _ := strings.Cut(l.Funding, ":"); {
		case l.Operation != "recognition/image-tagging":
		case kind == "free" && l.Calls > 150, kind == "package" && l.Calls > 300:
			w.row.fault(w.t, "%s pays for %d calls", l.Funding, l.Calls)
		case kind == "package":
			prepaid++
		}
	}
	if prepaid == 0 && calls > 150 || prepaid > packages {
		w.row.fault(w.t, "%d packages of %d paid for %d calls", prepaid, packages, calls)
	}
}

// checkMovements: each payment that was acknowledged moved money once, and
// nothing else did.
func checkMovements(w *killTraffic, st statement, wires map[string]int, packages int) {
	w.t.Helper()
	debits := map[movement]int{}
	for _, m := range st.Movements {
		_, paid := wires[m.Ref]
		switch {
		case m.Kind == "usage":
			id := movement{At: m.At, Text: m.Text, Ref: m.Ref}
			if debits[id]++; debits[id] > 1 {
				w.row.double(w.t, 1, "usage was debited twice: %+v", m)
			}
		case paid:
			wires[m.Ref]++
		case m.Ref == "opening":
		case cents(w.t, m.Amount) == -60:
			packages--
		default:
			w.row.fault(w.t, "a movement of no command: %+v", m)
		}
	}
	for wire, times := range wires {
		switch {
		case times == 0:
			w.row.lose(w.t, 1, "payment %s moved no money", wire)
		case times > 1:
			w.row.double(w.t, times-1, "payment %s moved money %d times", wire, times)
		}
	}
	switch {
	case packages > 0:
		w.row.lose(w.t, packages, "packages that were bought were not paid for")
	case packages < 0:
		w.row.double(w.t, -packages, "packages were paid for again")
	}
}
