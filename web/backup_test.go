package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/ledger/backup"
)

// TestBackupWhileItRuns: what comes over the wire is whole, and holds no secret.
func TestBackupWhileItRuns(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	call(t, g, "POST /accounts/acme/keys", `{"kind":"secret","value":"the customer's own secret"}`)
	g.Count(t, "acme", tagging, account.Free, 202611, 10)
	call(t, g, "POST /settle", "")
	full := call(t, g, "GET /backup", "")
	var chain backup.Chain
	header, s, err := billing.ReadBackup(strings.NewReader(full.text), &chain, billing.BackupVisitor{})
	if err != nil || full.status != 200 || s.Files != 1 || header.Ledger != g.Engine().Meta().ID {
		t.Fatalf("%d, %+v, %v", full.status, s, err)
	}
	if strings.Contains(full.text, "own secret") {
		t.Error("a secret is in it")
	}
	since := fmt.Sprintf("GET /backup?ledger=%s&seq=%d&hash=%x", header.Ledger, s.Head.Seq, s.Head.Hash)
	call(t, g, "POST /accounts/acme/topups", `{"amount":"1","reference":"r"}`, key("t")...)
	more := call(t, g, since, "")
	if _, s, err := billing.ReadBackup(strings.NewReader(more.text), &chain, billing.BackupVisitor{}); err != nil || s.Records != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	for request, status := range map[string]int{
		strings.Replace(since, "seq=", "seq=9", 1):             409,
		strings.Replace(since, "ledger=", "ledger=x", 1):       409,
		since[:len(since)-1] + "g":                             422,
		fmt.Sprintf("GET /backup?seq=%d", s.Head.Seq):          422,
		"GET /backup?since=monday.backup":                      422,
		since[:len(since)-64] + strings.Repeat("0", 64):        409,
		strings.Replace(since, "ledger="+header.Ledger, "", 1): 422,
	} {
		if a := call(t, g, request, ""); a.status != status {
			t.Errorf("%s: %d, want %d: %s", request, a.status, status, a.text)
		}
	}
}
