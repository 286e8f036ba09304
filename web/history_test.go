package web_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web/webtest"
)

// TestReleases: what an account and an instance pass on the way to their
// release, and what it takes to end its repetition (D20, D23, D32).
func TestReleases(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "300.00", "acme", "owes")
	run(t, g, []step{
		{"POST /accounts/acme/subscriptions", `{"instance":"products","row":"s100k-1"}`, key("s"), 201, nil},
		{"POST /accounts/owes/subscriptions", `{"instance":"shoes","row":"s100k-1"}`, key("s2"), 201, nil},
		{"GET /releases", "", nil, 200, []string{"releases = []"}},
	})
	g.Count(t, "owes", tagging, account.PayPerUse, 0, 1000)
	ack := "POST /accounts/%s/releases/acknowledge"
	run(t, g, []step{
		{"POST /settle", "", nil, 200, nil},
		{"GET /accounts/owes", "", nil, 200, []string{"state = grace", "released = <nil>"}},
		{fmt.Sprintf(ack, "owes"), `{}`, key("early"), 409, nil},
		{fmt.Sprintf(ack, "acme"), `{"instance":"products"}`, key("early2"), 409, []string{"field = instance"}},
		{"POST /clock/advance", `{"to":"2026-12-22T10:30:01+08:00"}`, nil, 200, nil},
		{"GET /accounts/owes", "", nil, 200, []string{"state = released", "released = 2026-12-22T10:30:01+08:00", "release_due = <nil>",
			"instances.0.state = released"}},
		{"GET /accounts/acme", "", nil, 200, []string{"instances.0.state = retained", "instances.0.release_due = 2027-01-06T10:30:00+08:00", "instances.0.row = s100k-1"}},
		{"POST /accounts/owes/topups", `{"amount":"5","reference":"w"}`, key("late"), 201, []string{"state = released"}},
		{"POST /accounts/owes/packages/preview", `{"package":"image-tagging-10k-1y"}`, nil, 409, []string{"text ~ released for good"}},
		{"POST /clock/advance", `{"to":"2027-01-06T10:30:00+08:00"}`, nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"state = active", "instances.0.state = released", "instances.0.released = 2027-01-06T10:30:00+08:00"}},
		{"GET /releases", "", nil, 200, []string{"releases.0.account = acme", "releases.0.instance = products", "releases.1.account = owes",
			"releases.1.instance = <nil>", "releases.1.instances.0 = shoes", "releases.1.released = 2026-12-22T10:30:01+08:00"}},
		{fmt.Sprintf(ack, "acme"), `{"instance":"none"}`, key("n"), 404, []string{"field = instance"}},
		{fmt.Sprintf(ack, "acme"), `{"instance":"products"}`, nil, 400, []string{"field = Idempotency-Key"}},
		{fmt.Sprintf(ack, "acme"), `{"instance":"products"}`, key("a"), 200, []string{"account = acme"}},
		{fmt.Sprintf(ack, "owes"), `{}`, key("b"), 200, nil},
		{"GET /releases", "", nil, 200, []string{"releases = []"}},
		{"GET /accounts/owes", "", nil, 200, []string{"release_acknowledged = true"}},
		{"GET /accounts/acme", "", nil, 200, []string{"instances.0.release_acknowledged = true"}},
	})
}

func TestEventPages(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "24.00", "acme")
	run(t, g, []step{
		{"POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y","auto_renew":true}`, key("p"), 201, nil},
		{"GET /accounts/acme/events", "", nil, 200, []string{"events = []"}},
		{"POST /clock/advance", `{"to":"2027-11-22T10:30:00+08:00"}`, nil, 200, nil},
		{"GET /accounts/acme/events?limit=2", "", nil, 200, []string{"events.0.number = 1", "events.0.kind = notice-statement",
			"events.1.kind = notice-expiry", "events.1.subject = package:1", "events.1.at = 2027-11-07T10:30:00+08:00", "next = 2"}},
		{"GET /accounts/acme/events?after=2", "", nil, 200, []string{"events.0.number = 3", "events.3.kind = package-expired",
			"events.4.kind = notice-renewal-failed", "text ~ top up first", "events.5 = <none>", "next = <nil>"}},
		{"GET /accounts/acme/events?after=7", "", nil, 200, []string{"events = []"}},
		{"GET /accounts/acme/events?limit=0", "", nil, 422, []string{"field = limit"}},
		{"GET /accounts/nobody/events", "", nil, 404, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"packages.0.renewable_until = 2027-12-22T10:30:00+08:00", "packages.0.auto_renew = false"}},
	})
}

func TestStatements(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "100.00", "acme")
	run(t, g, []step{{"GET /accounts/acme/statements", "", nil, 200, []string{"statements = []"}}})
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 9_990)
	run(t, g, []step{{"POST /settle", "", nil, 200, nil}})
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 1_010)
	run(t, g, []step{
		{"POST /clock/advance", `{"to":"2026-12-01T00:00:00+08:00"}`, nil, 200, nil},
		{"GET /accounts/acme/statements", "", nil, 200, []string{"currency = USD", "statements.0.number = acme-0001", "statements.0.month = 2026-11",
			"statements.0.opening = 0.00", "statements.0.closing = 67.50", "statements.1 = <none>"}},
		{"GET /accounts/acme/statements/2026-11", "", nil, 200, []string{"closed = true", "number = acme-0001", "closing = 67.50", "usage = 32.50"}},
		{"GET /accounts/acme/statements/2026-11?format=xml", "", nil, 422, []string{"field = format"}},
		{"GET /accounts/nobody/statements", "", nil, 404, nil},
		{"GET /accounts/acme/statements/2026-11/replay?operation=" + tagging, "", nil, 200, []string{"same = true", "debited = 32.50", "statement = 32.50",
			"hours.0.before = 0", "hours.0.after = 9990", "hours.0.charge_after = 29.97", "hours.0.debit = 29.97", "hours.1.before = 9990",
			"hours.1.after = 11000", "hours.1.charge_before = 29.97", "hours.1.charge_after = 32.50", "hours.1.debit = 2.53", "hours.2 = <none>"}},
		{"GET /accounts/acme/statements/2026-11/replay?operation=search/none", "", nil, 404, []string{"field = operation"}},
		{"GET /accounts/acme/statements/2026-11/replay", "", nil, 422, []string{"field = operation"}},
		{"GET /accounts/acme/statements/2027-01/replay?operation=" + tagging, "", nil, 422, []string{"field = month"}},
	})
	asked := call(t, g, "GET /accounts/acme/statements/2026-11?format=csv", "")
	accepted := call(t, g, "GET /accounts/acme/statements/2026-11", "", "Accept: text/html;q=0.9, text/csv; q=0.8, text/plain")
	rows, err := csv.NewReader(strings.NewReader(asked.text)).ReadAll()
	if err != nil || len(rows) < 10 || asked.text != accepted.text || !strings.HasPrefix(asked.header.Get("Content-Type"), "text/csv") {
		t.Errorf("CSV: %v, %d rows of type %s:\n%s\n%s", err, len(rows), asked.header.Get("Content-Type"), asked.text, accepted.text)
	}
	// No Accept, or one for everything, gets what the API speaks.
	for _, accept := range []string{"Accept: */*", "Accept: text/html"} {
		if a := call(t, g, "GET /accounts/acme/statements/2026-11", "", accept); a.at("closing") != "67.50" {
			t.Errorf("%s: %s", accept, a.text)
		}
	}
}

// lines are the JSON lines of an answer.
func lines(a answer) []string { return strings.Split(strings.TrimSpace(a.text), "\n") }

func TestVerify(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "100.00", "acme", "other")
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 9_990)
	call(t, g, "POST /settle", "")
	for path, accounts := range map[string]string{"/verify": `"accounts":2`, "/verify?account=acme": `"accounts":1`} {
		a := call(t, g, "POST "+path, "")
		last := lines(a)[len(lines(a))-1]
		if a.status != 200 || a.header.Get("Content-Type") != "application/x-ndjson" ||
			!strings.Contains(last, accounts) || !strings.Contains(last, `"differences":[]`) {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	run(t, g, []step{{"POST /verify?account=nobody", "", nil, 404, []string{"field = account"}}})
}

// TestVerifyFindsDamage: a sealed file that was changed is a problem in the last
// line, since the first ones may have left.
func TestVerifyFindsDamage(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "100.00", "acme")
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 9_990)
	call(t, g, "POST /settle", "")
	damage(t, g)
	a := call(t, g, "POST /verify", "")
	if last := lines(a)[len(lines(a))-1]; !strings.Contains(last, `"problem":{"type":"urn:tallygate:problem:internal"`) && !strings.Contains(last, `"what"`) {
		t.Errorf("%d: %s", a.status, a.text)
	}
}

// damage changes a byte in the only sealed file.
func damage(t *testing.T, g *webtest.Gateway) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(g.Engine().UsageDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && len(data) > 0 {
			data[len(data)-1] ^= 1
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
