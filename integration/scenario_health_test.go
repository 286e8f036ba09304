package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tallygate/tallygate/integration/harness"
)

// page is the status code and the text of a page.
func page(t testing.TB, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// failing is a control file for failpoints.
func failing(t testing.TB, path, orders string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(orders), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

const healthSite = `
http://{{.HTTP}} {
	tallygate_health /livez live
	tallygate_health /readyz
`

// healthRig is a rig with health checks on its site, whose disk can fail.
func healthRig(t *testing.T) (r *rig, control string) {
	control = filepath.Join(t.TempDir(), "failpoints")
	r = newRig(t, harness.Config{Binary: harness.FailpointBinary(t), Env: []string{"TALLYGATE_FAILPOINTS=" + control}}, nil)
	r.start()
	if err := r.Reload(strings.Replace(rigCaddyfile, "\nhttp://{{.HTTP}} {\n", healthSite, 1)); err != nil {
		t.Fatal(err)
	}
	return r, control
}

// TestReadiness: ready, a disk that fails, not ready though live, and ready again
// by itself.
func TestReadiness(t *testing.T) {
	t.Parallel()
	r, control := healthRig(t)
	expect := func(path string, status int, text string) func() bool {
		return func() bool {
			have, body := page(t, r.URL()+path)
			return have == status && body == text
		}
	}
	admin := func(path string) (status int, list map[string]string) {
		status, body := page(t, "http://"+r.Admin+"/tallygate/"+path)
		var found struct {
			Status string
			Checks []struct{ Name, Status, Detail string }
		}
		if err := json.Unmarshal([]byte(body), &found); err != nil {
			t.Fatal(err, body)
		}
		list = map[string]string{"all": found.Status}
		for _, c := range found.Checks {
			list[c.Name] = c.Status
		}
		return status, list
	}
	eventually(t, "ready", 10*time.Second, expect("/readyz", 200, "ok\n"))
	if status, checks := admin("health"); status != 200 || checks["all"] != "ok" || len(checks) < 9 {
		t.Errorf("health: %d %v", status, checks)
	}
	failing(t, control, "tally/sync EIO 1 1000000\n")
	r.open("acme", "10.00")
	c := customer{site: r.URL(), account: "acme", operation: "recognition/image-tagging", http: connections()}
	defer c.http.CloseIdleConnections()
	c.call() // something to be synced
	eventually(t, "not ready", 20*time.Second, func() bool { c.call(); return expect("/readyz", 503, "failed: sync\n")() })
	if !expect("/livez", 200, "ok\n")() {
		t.Error("not live, although a restart would not help")
	}
	for _, path := range []string{"ready", "health"} {
		if status, checks := admin(path); status != 503 || checks["sync"] != "failed" || checks["all"] != "failed" {
			t.Errorf("%s: %d %v", path, status, checks)
		}
	}
	if text, err := r.Command("status", "--address", r.Admin); err != nil || !strings.Contains(text, "Problem: sync: counts last reached the disk") {
		t.Errorf("tallygate status: %v\n%s", err, text)
	}
	failing(t, control, "journal/sync EIO 1 1\n")
	eventually(t, "ready again", 10*time.Second, expect("/readyz", 200, "ok\n"))
	err := r.API(harness.Request{Path: "/tallygate/accounts/acme/topups", Header: once("k"), Body: map[string]any{"amount": "1.00", "reference": "r"}}, nil)
	if err == nil {
		t.Error("a top-up was accepted that the disk did not take")
	}
	if !expect("/readyz", 200, "ok\n")() {
		t.Error("a journal that stopped is no reason to send calls away")
	}
}

// TestExposure: the figures of the status are those of the accounts.
func TestExposure(t *testing.T) {
	t.Parallel()
	r := newRig(t, harness.Config{}, map[string]any{"timezone": halfPastTwelve})
	r.start()
	r.open("acme", "0.01")
	c := customer{site: r.URL(), account: "acme", operation: "recognition/celebrity-recognition", http: connections()}
	defer c.http.CloseIdleConnections()
	for range 15 { // at 0.006 each
		if a := c.call(); !a.ok() {
			t.Fatal(a)
		}
	}
	var st struct {
		Unsettled, Debts string
		LastSettlement   struct{ Until time.Time } `json:"last_settlement"`
		SettledUntil     time.Time                 `json:"settled_until"`
		Anchor           struct{ Seq uint64 }
	}
	status := func() { r.api(harness.Request{Path: "/tallygate/status"}, &st) }
	if status(); st.Unsettled != "0.09" || st.Debts != "0.00" || r.usage("acme").Unsettled != "0.09" {
		t.Errorf("before the settlement: %+v", st)
	}
	r.settle()
	eventually(t, "debts, when the figure is taken again", time.Minute, func() bool {
		status()
		return st.Unsettled == "0.00" && st.Debts == "0.08"
	})
	if !st.LastSettlement.Until.Equal(st.SettledUntil) || st.Anchor.Seq == 0 {
		t.Errorf("after the settlement: %+v", st)
	}
	_, metrics := page(t, "http://"+r.Admin+"/metrics")
	for _, line := range []string{`tallygate_exposure_unsettled_minor_units{currency="USD"} 0`, `tallygate_exposure_debts_minor_units{currency="USD"} 8`,
		`tallygate_unmetered_total{operation="recognition/image-tagging"} 0`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s in the metrics", line)
		}
	}
	checkAlerts(t, metrics)
}

// checkAlerts holds the alert rules that ship against what a gateway shows: every
// metric and every check that they name is there, and every figure has a rule.
func checkAlerts(t *testing.T, metrics string) {
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions([]byte(shipped(t, "alerts/tallygate.rules.yaml")), &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	shown, named := map[string]bool{}, map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^(tallygate_\w+)(\{check="(\w+)"\})?`).FindAllStringSubmatch(metrics, -1) {
		shown[line[1]], shown["check "+line[3]] = true, true
	}
	for _, rule := range file.Groups[0].Rules {
		a, severities := rule.Annotations, []string{"info", "warning", "critical"}
		if rule.Alert == "" || a["summary"] == "" || a["action"] == "" || !slices.Contains(severities, rule.Labels["severity"]) {
			t.Errorf("%s lacks a name, a summary, an action or a severity", rule.Alert)
		}
		if _, err := time.ParseDuration(rule.For); rule.For != "" && err != nil {
			t.Errorf("%s: %v", rule.Alert, err)
		}
		for _, m := range regexp.MustCompile(`tallygate_\w+`).FindAllString(rule.Expr, -1) {
			named[m] = true
		}
		for _, m := range regexp.MustCompile(`check=~?"([^"]+)"`).FindAllStringSubmatch(rule.Expr, -1) {
			for check := range strings.SplitSeq(m[1], "|") {
				named["check "+check] = true
			}
		}
	}
	delete(shown, "check ")
	known := []string{"tallygate_accounts", "tallygate_settled_until_seconds", "check sync", "check settlement"} // others say it
	for name := range named {
		if !shown[name] {
			t.Errorf("the rules name %s, which the gateway does not show", name)
		}
	}
	for name := range shown {
		if !named[name] && !slices.Contains(known, name) {
			t.Errorf("no rule watches %s", name)
		}
	}
}
