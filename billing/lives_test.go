package billing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

// lives is 10,000 accounts, each of which goes its own random way.
const lives = 10_000

// TestTenThousandLives: however an account lives, folding the journal again gives
// the ledger (D35). All live in one ledger through three months of commands,
// calls, images and long silences, with a crash on the way; then everything is
// made again from journal and sealed files, and compared value by value.
func TestTenThousandLives(t *testing.T) {
	t.Parallel()
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	if err := r.SetPolicy(account.Policy{Law: account.Law{Grace: 5 * day, Retention: 5 * day}, Purchases: 1}); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 12 {
		at := november.Unix() + int64(round)*8*day
		r.live(t, at)
		r.everybody(t, seed, round)
		r.settle(t, at, r.callsOf(seed, round)...)
		if round == 6 {
			r.crash(t)
			r.open(t)
		}
	}
	r.live(t, november.Unix()+120*day)
	found, err := r.Verify(t.Context(), "", func(uint64, uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Differences) > 0 || found.Accounts != lives {
		t.Fatalf("of %d accounts, %d differences; the first: %+v", found.Accounts, len(found.Differences), found.Differences[0])
	}
	t.Logf("%d accounts, %d inputs", found.Accounts, found.Inputs)
}

// everybody lets every account do what it does in a round, many at once.
func (r *rig) everybody(t *testing.T, seed uint64, round int) {
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for n := worker; n < lives; n += 16 {
				id := fmt.Sprint("a", n)
				draw := rand.New(rand.NewPCG(seed, uint64(n)<<8|uint64(round)))
				if round == 0 {
					r.tried(t, id, &account.CreateAccount{Account: id, Customer: fmt.Sprint("c", n/2)})
					r.tried(t, id, &account.TopUp{Amount: "20.00", Reference: "r"})
					continue
				}
				if draw.IntN(3) == 0 {
					r.tried(t, id, randomCommand(draw))
				}
				r.randomImage(t, id, draw)
			}
		})
	}
	all.Wait()
}

// tried carries out a command, or takes a refusal.
func (r *rig) tried(t *testing.T, id string, cmd account.Command) {
	_, err := r.Do(Request{Key: id + fmt.Sprint(rand.Uint64()), Account: id, Command: cmd})
	if no := new(account.Error); err != nil && !errors.As(err, &no) {
		t.Errorf("%s of %s: %v", cmd.Type(), id, err)
	}
}

func randomCommand(draw *rand.Rand) account.Command {
	row, number := []string{"small", "large"}[draw.IntN(2)], 1+draw.Uint32N(3)
	amount := book.Currency.Format(money.Amount(1 + draw.Int64N(9_00)))
	switch draw.IntN(9) {
	case 0:
		return &account.TopUp{Amount: amount, Reference: "r"}
	case 1:
		return &account.Adjust{Amount: "-" + amount, Reason: "why", Reference: "r"}
	case 2:
		return &account.BuyPackage{Package: "tagging-50", AutoRenew: draw.IntN(2) == 0}
	case 3:
		return &account.RenewPackage{Package: number}
	case 4:
		return &account.SetAutoRenewal{Package: number, On: draw.IntN(2) == 0}
	case 5:
		return &account.RenewSubscription{Instance: "i", Row: row, Months: 1 + draw.IntN(2)}
	case 6:
		return &account.ChangeSubscription{Instance: "i", Row: row}
	case 7:
		return &account.AcknowledgeRelease{Instance: "i"}
	}
	return &account.Subscribe{Instance: "i", Row: row, Months: 1 + draw.IntN(2), Trial: draw.IntN(2) == 0}
}

// randomImage changes a picture of the account's instance, if it has one.
func (r *rig) randomImage(t *testing.T, id string, draw *rand.Rand) {
	a := r.account(t, id)
	if len(a.Instances) == 0 || draw.IntN(3) > 0 {
		return
	}
	c := account.ImageChange{Kind: account.ImageChangeKind(1 + draw.IntN(4)), Image: account.Image{Account: a.Number, Instance: a.Instances[0].ID}}
	c.Product[0], c.Picture[0] = byte(draw.IntN(2)), byte(draw.IntN(3))
	if _, _, err := r.ChangeImages(c); err != nil {
		t.Errorf("images of %s: %v", id, err)
	}
}

// callsOf is what a third of the accounts called in a round.
func (r *rig) callsOf(seed uint64, round int) (counts []account.Count) {
	draw := rand.New(rand.NewPCG(seed, 1<<63|uint64(round)))
	for n := range uint32(lives) {
		if draw.IntN(3) > 0 {
			continue
		}
		for _, kind := range []account.Kind{account.PayPerUse, account.RateLimited} {
			line := account.Line{Account: n + 1, Operation: 1, Kind: kind}
			counts = append(counts, account.Count{Line: line, Calls: 1 + draw.Uint64N(300)})
		}
	}
	return counts
}
