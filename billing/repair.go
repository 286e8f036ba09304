package billing

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating/money"
)

// RebuildConfig is what a ledger is made again from, and into what. Store is
// empty.
type RebuildConfig struct {
	Store    ledger.Store
	Journal  *journal.Journal
	UsageDir string
	ZoneOf   func(name string) (*time.Location, error)
	Progress func(done, total uint64) // in journal records; may be nil
	Logger   *slog.Logger
}

// Rebuilt is what became of it.
type Rebuilt struct {
	Meta    ledger.Meta
	Head    journal.Head
	Records uint64
	Lost    []Lost
	// PassedOver are commands that an account refuses now that usage which was
	// there when they were accepted is lost.
	PassedOver []string
}

// Rebuild folds the whole journal and the sealed files into an empty store. Every
// settlement that is not after a loss must give what it gave before. Nothing is
// appended to the journal.
func Rebuild(c RebuildConfig) (Rebuilt, error) {
	if meta, err := c.Store.Meta(); err == nil {
		return Rebuilt{}, fmt.Errorf("the ledger to fold into is not empty: it has ledger %s", meta.ID)
	} else if !errors.Is(err, ledger.ErrNotFound) {
		return Rebuilt{}, err
	}
	config, err := c.config()
	if err != nil {
		return Rebuilt{}, err
	}
	e := &Engine{Config: config, progress: c.Progress}
	e.blocks.engine = e
	e.recent.reset()
	if err := e.recover(); err != nil {
		return Rebuilt{}, err
	}
	if err := e.Flush(); err != nil { // on a full disk a start goes on without
		return Rebuilt{}, err
	}
	head := c.Journal.Head()
	if folded := e.Meta().Folded; folded != head.Seq {
		return Rebuilt{}, fmt.Errorf("%w: the fold ended at record %d, the journal at %d", ledger.ErrDamaged, folded, head.Seq)
	}
	return Rebuilt{Meta: e.Meta(), Head: head, Records: head.Seq, Lost: sortedLost(e.lost), PassedOver: e.passedOver}, nil
}

// config takes from the journal what is fixed in it (D7).
func (c RebuildConfig) config() (Config, error) {
	config := Config{Store: c.Store, Journal: c.Journal, UsageDir: c.UsageDir, Now: func() int64 { return 0 }, Logger: c.Logger}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	for rec, err := range c.Journal.Read(1) {
		if err != nil {
			return config, fmt.Errorf("reading the journal: %w", err)
		}
		if rec.Kind != inputLedger {
			break
		}
		in, err := decode[ledgerInput](rec.Seq, rec.Payload)
		if err == nil {
			config.Currency, err = money.CurrencyOf(in.Currency)
		}
		if err == nil {
			config.Zone, err = c.ZoneOf(in.Zone)
		}
		config.Test = in.Test
		return config, err
	}
	return config, errors.New("the journal does not begin with the creation of a ledger: there is nothing to fold")
}

// passOver leaves out a command that was accepted while usage counted that is lost
// now, where its account refuses it. Every later fold does the same.
func (e *Engine) passOver(rec journal.Record, in commandInput, number uint32, refused error) error {
	if no := new(account.Error); !errors.As(refused, &no) || !e.judgedWithLost(rec.Seq) {
		return refused
	}
	what := fmt.Sprintf("record %d (%s of account %s): %v", rec.Seq, in.Type, in.Account, refused)
	e.passedOver = append(e.passedOver, what)
	e.Logger.Warn("a command cannot be repeated without the usage that is lost", "command", what)
	e.noteApplied(rec.Seq, number)
	return nil
}
