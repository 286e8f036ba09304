package billing

import (
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/tallygate/tallygate/account"
)

// The kinds of input in the journal, with their payloads as JSON. They are read
// for ever: add fields and kinds, change none.
const (
	inputLedger     = "ledger"     // creation
	inputOperations = "operations" // names that get the next numbers
	inputPriceBook  = "pricebook"
	inputPolicy     = "policy"
	inputStart      = "start"
	inputDue        = "due"    // what time alone brings has happened until an instant
	inputImages     = "images" // what a successful add or delete did (D28)
	inputCommand    = "command"
	inputPeriod     = "period"  // sealed usage
	inputSettled    = "settled" // hash of what a period's settlement gave
	inputClock      = "clock"   // a jump of event time that the operator accepted
)

type ledgerInput struct {
	ID       string `json:"id"`
	Currency string `json:"currency"`
	Zone     string `json:"zone"`
	Test     bool   `json:"test,omitempty"`
}

type operationsInput struct {
	Names []string `json:"names"`
}

// priceBookInput is a book, or, without a source, that the configuration names
// one that is known.
type priceBookInput struct {
	Hash       string `json:"hash"`
	From       int64  `json:"from"` // Unix seconds
	Source     string `json:"source,omitempty"`
	Configured bool   `json:"configured,omitempty"` // else it was scheduled (D35)
}

type policyInput struct {
	Grace        int64  `json:"grace"`
	Retention    int64  `json:"retention"`
	AllowInGrace bool   `json:"allow_in_grace,omitempty"`
	EndOfDay     bool   `json:"end_of_day,omitempty"`
	Purchases    uint32 `json:"purchases,omitempty"`
	Realtime     bool   `json:"realtime,omitempty"`
}

// dueInput is an instant that the blocks live up to. See Engine.releasesHeld.
type dueInput struct {
	Until int64 `json:"until"` // Unix seconds
	Held  bool  `json:"held,omitempty"`
}

// imagesInput is changes of one kind, of one instance.
type imagesInput struct {
	Account  uint32 `json:"account"`
	Instance uint32 `json:"instance"`
	Kind     uint8  `json:"kind"`
	Images   []byte `json:"images"` // product and picture of each, 16 bytes and 16
}

// changes are what the input says of each image.
func (in imagesInput) changes() iter.Seq[account.ImageChange] {
	return func(yield func(account.ImageChange) bool) {
		for list := in.Images; len(list) >= 32; list = list[32:] {
			c := account.ImageChange{Kind: account.ImageChangeKind(in.Kind), Image: account.Image{Account: in.Account, Instance: in.Instance}}
			copy(c.Product[:], list)
			copy(c.Picture[:], list[16:])
			if !yield(c) {
				return
			}
		}
	}
}

type startInput struct {
	Node string `json:"node"`
}

// commandInput is an accepted command. Content is the hash of what was asked
// (D33).
type commandInput struct {
	Type    string          `json:"type"`
	Account string          `json:"account"`
	Key     []byte          `json:"key,omitempty"`
	Content []byte          `json:"content,omitempty"`
	Command json.RawMessage `json:"command"`
	Held    bool            `json:"held,omitempty"` // see Engine.releasesHeld
}

// periodInput names a sealed period. Since is the end of the period sealed
// before: what lies between was empty. File is empty where nothing was counted.
type periodInput struct {
	Since  int64  `json:"since"`
	Start  int64  `json:"start"`
	Length int64  `json:"length"`
	File   string `json:"file,omitempty"`
	Hash   []byte `json:"hash,omitempty"`
	Lines  int    `json:"lines,omitempty"`
	Billed uint64 `json:"billed,omitempty"`
	Held   bool   `json:"held,omitempty"` // see Engine.releasesHeld

	// Where the counts are a lower bound; see account.Shortfall.
	Damaged      uint64        `json:"damaged,omitempty"`
	PowerLosses  uint64        `json:"power_losses,omitempty"`
	SyncInterval time.Duration `json:"sync_interval,omitempty"` // nanoseconds
	Concerned    []uint32      `json:"concerned,omitempty"`     // numbers of accounts; none = all
}

// rulesVersion numbers the rules by which inputs are folded. A release that
// would fold an old input to another result is wrong; it keeps the old rules
// beside the new ones.
const rulesVersion = 1

type settledInput struct {
	Input uint64 `json:"input"` // the period's sequence
	Hash  []byte `json:"hash"`
	Rules int    `json:"rules"`
}

func encode(payload any) []byte {
	data, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("billing: encoding %T: %v", payload, err)) // plain structs always encode
	}
	return data
}

func decode[T any](seq uint64, data []byte) (T, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("journal record %d: %w", seq, err)
	}
	return v, nil
}

func (p policyInput) policy() account.Policy {
	return account.Policy{Law: account.Law{Grace: p.Grace, Retention: p.Retention, AllowInGrace: p.AllowInGrace},
		EndOfDay: p.EndOfDay, Purchases: p.Purchases, Realtime: p.Realtime}
}

func policyInputOf(p account.Policy) policyInput {
	return policyInput{p.Grace, p.Retention, p.AllowInGrace, p.EndOfDay, p.Purchases, p.Realtime}
}
