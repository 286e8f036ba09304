package billing

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/tallygate/tallygate/account"
)

// TestNumbersAreRemembered once they are known, for as many accounts as there is room
// for, and never an account's number for another.
func TestNumbersAreRemembered(t *testing.T) {
	var n numbers
	asked := 0
	ask := func(id string) (uint32, error) {
		asked++
		var number uint32
		_, err := fmt.Sscanf(id, "a%d", &number)
		return number, err
	}
	accounts := uint32(3 * len(n.places))
	for number := uint32(1); number <= accounts; number++ {
		id := fmt.Sprint("a", number)
		for time := range 2 {
			if got, err := n.find(id, ask); got != number || err != nil {
				t.Fatalf("%s, time %d: %d, %v", id, time, got, err)
			}
		}
	}
	if asked != int(accounts) {
		t.Errorf("asked %d times for %d accounts", asked, accounts)
	}
	for number := uint32(1); number <= accounts; number++ { // among them many that lost their place
		if got, err := n.find(fmt.Sprint("a", number), ask); got != number || err != nil {
			t.Fatalf("a%d: %d, %v", number, got, err)
		}
	}
	if again := asked - int(accounts); again < int(accounts)-len(n.places) {
		t.Errorf("%d of %d were remembered, more than there are places", int(accounts)-again, accounts)
	}
}

// TestNumbersOfNobody: that there is no account, or that nobody can tell, is not
// remembered, and the request that names one is not kept.
func TestNumbersOfNobody(t *testing.T) {
	var n numbers
	unknown := errors.New("not now")
	for _, answer := range []struct {
		number uint32
		err    error
	}{{0, nil}, {0, unknown}, {7, unknown}, {5, nil}} {
		got, err := n.find("a", func(string) (uint32, error) { return answer.number, answer.err })
		if got != answer.number || !errors.Is(err, answer.err) {
			t.Fatalf("%d, %v; want %+v", got, err, answer)
		}
	}
	request := strings.Repeat("b", 1000)
	if _, err := n.find(request[:1], func(string) (uint32, error) { return 1, nil }); err != nil {
		t.Fatal(err)
	}
	for i := range n.places {
		if known := n.places[i].Load(); known != nil && unsafe.StringData(known.id) == unsafe.StringData(request) {
			t.Error("a request is kept")
		}
	}
}

// TestNumbersAfterFailures: an account whose creation failed is asked for again, and
// has the number that it gets when it is there.
func TestNumbersAfterFailures(t *testing.T) {
	quickly(t)
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	pay := func(id string, want uint32) {
		t.Helper()
		before, err := r.Account(id)
		if err != nil {
			t.Fatal(err)
		}
		r.must(t, id, &account.TopUp{Amount: "1.00", Reference: "r"})
		if a := r.account(t, id); a.Number != want || a.Balance != before.Balance+100 {
			t.Errorf("%s: %+v, want number %d", id, a, want)
		}
	}
	r.refused(t, "a", &account.TopUp{Amount: "1.00", Reference: "r"}, account.NotFound)
	r.disk.fail("write")
	if _, err := r.Do(Request{Account: "a", Command: &account.CreateAccount{}}); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	r.mended(t)
	r.refused(t, "a", &account.TopUp{Amount: "1.00", Reference: "r"}, account.NotFound)
	r.must(t, "b", &account.CreateAccount{}) // has the number that a would have had
	r.must(t, "a", &account.CreateAccount{})
	again := func() {
		t.Helper()
		pay("a", 2)
		pay("b", 1)
	}
	r.throughLife(t, again)
}
