package scale

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/tallygate/tallygate/ledger/usage"
)

// reconcile settles the rest of the traffic, and holds what the sealed files say
// against what was called: a fast gateway that counts wrong is worth nothing.
func (s *site) reconcile(ctx context.Context, accounts, calls int) error {
	if err := s.gateway.API(ctx, http.MethodPost, "/settle", struct{}{}, nil); err != nil {
		return err
	}
	billed, err := s.sealed()
	if err != nil {
		return err
	}
	want := s.billed + 2*uint64(accounts) + uint64(calls)
	if billed != want {
		return fmt.Errorf("the sealed files count %d calls, and %d succeeded", billed, want)
	}
	s.billed = billed
	return nil
}

// sealed is how many calls the sealed files count.
func (s *site) sealed() (billed uint64, err error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "ledger", "usage", "*"))
	if err != nil {
		return 0, err
	}
	for _, path := range files {
		f, err := usage.Open(path)
		if err != nil {
			return 0, err
		}
		billed += f.Info().Sum.Billed
	}
	return billed, nil
}
