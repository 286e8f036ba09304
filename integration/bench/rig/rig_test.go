package rig

import (
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

func TestRigKeepsItsLedger(t *testing.T) {
	dir, begin := t.TempDir(), time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	r, err := Open(dir, begin)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Create(70); err != nil {
		t.Fatal(err)
	}
	if err := r.Each(70, func(int) account.Command { return &account.TopUp{Amount: "5.00", Reference: "wire"} }); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(dir, begin); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	a, err := r.Account(ID(69))
	if err != nil || a.Balance != 500 {
		t.Errorf("account %+v, %v", a, err)
	}
}
