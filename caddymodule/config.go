package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/tallygate/tallygate/meter/outcome"
	"github.com/tallygate/tallygate/meter/route"
)

// App is the global option `tallygate`: one ledger and how it is kept. Secrets
// do not belong here, since Caddy shows its configuration to whoever may ask.
type App struct {
	// Ledger is the folder of the ledger. Default: tallygate in Caddy's data
	// folder.
	Ledger string `json:"ledger,omitempty"`

	// PriceBook is the file of prices; it also says the currency.
	PriceBook string `json:"pricebook,omitempty"`

	// Timezone is the billing zone: an IANA name or an offset such as +08:00,
	// which is the default (D7). Fixed when the ledger is created.
	Timezone string `json:"timezone,omitempty"`

	// FlushInterval is the settlement period, an hour (default) or a part of it.
	FlushInterval caddy.Duration `json:"flush_interval,omitempty"`

	// SealWait is how long the end of an hour waits for calls that are still
	// running (D6). Default: 60s.
	SealWait caddy.Duration `json:"seal_wait,omitempty"`

	// SyncInterval is how much counting a power cut may take. Default: 100ms.
	SyncInterval caddy.Duration `json:"sync_interval,omitempty"`

	// Reserve is how many bytes of the ledger's disk must be free, and an eighth
	// more, for a command to be accepted and for settlement to go on. Default: what
	// the ledger may write at once, 64 MiB and as much as its tables have, up to
	// 736 MiB.
	Reserve int64 `json:"reserve,omitempty"`

	// Ballast is how many bytes of that disk are kept in a file, to be given up on a
	// full disk to what must go on: counting, and a restart. 0 keeps none. Default:
	// 128 MiB.
	Ballast *int64 `json:"ballast,omitempty"`

	// OnFailure is deny (default), or allow: what becomes of a call that cannot be
	// counted, because the disk fails or is full to the last byte. If it is allowed
	// to run it is recorded as unmetered, in the log, a metric, an event and a file.
	OnFailure string `json:"on_failure,omitempty"`

	// Anchor is a file outside the ledger's folder that remembers how far the
	// ledger had got, so that an older copy is not taken for it.
	Anchor string `json:"anchor,omitempty"`

	// Node names this gateway in its counters. Default: the host's name.
	Node string `json:"node,omitempty"`

	// ClockGap is by how much the machine's clock may be ahead of the last known
	// time when the gateway starts: so long it may have been down. Beyond it an
	// operator has to accept the clock. Default: 31d.
	ClockGap caddy.Duration `json:"clock_gap,omitempty"`

	// TestLedger marks a ledger that is created as one for tests. Its clock
	// stands still until it is advanced.
	TestLedger bool `json:"test_ledger,omitempty"`

	// TestStart is what a new test ledger's clock says, in RFC 3339. Default:
	// the time of its creation.
	TestStart string `json:"test_start,omitempty"`

	// Arrears says how long an account in debt lives (D20).
	Arrears *Arrears `json:"arrears,omitempty"`

	// Expiry is instant (default), or end_of_day: terms of packages and
	// subscriptions last until the next local midnight (D15).
	Expiry string `json:"expiry,omitempty"`

	// PurchasesPerMonth is how often an instance may be bought in a calendar
	// month (D25). Default: 1. Renewals and changes are not purchases.
	PurchasesPerMonth uint32 `json:"purchases_per_month,omitempty"`

	// Finance is the SHA-256, in hex, of the token of who may adjust balances
	// (D36). Without it nobody may.
	Finance string `json:"finance,omitempty"`

	state appState
}

// Arrears is how debt begins and what it leads to.
type Arrears struct {
	// Grace and Retention are the two lengths of D20. Both default to 15 days.
	Grace     caddy.Duration `json:"grace,omitempty"`
	Retention caddy.Duration `json:"retention,omitempty"`

	// AllowInGrace lets free and pay-per-use calls pass in grace, and bills them
	// (D21).
	AllowInGrace bool `json:"allow_in_grace,omitempty"`

	// Enforce is hourly (default), or realtime: pay-per-use calls are refused
	// before what is not settled yet would pass the limit (D19).
	Enforce string `json:"enforce,omitempty"`
}

// Key says where a request carries who sends it.
type Key struct {
	// From is header, bearer, query or placeholder.
	From string `json:"from"`

	// Name is the header's, the query parameter's or the placeholder's.
	Name string `json:"name,omitempty"`
}

// Operation says which requests call a priced operation. The name may be there
// several times, with different patterns.
type Operation struct {
	Name string `json:"name"`
	route.Pattern
}

// Instance says how requests name the search index they are for (D38).
type Instance struct {
	Operations string `json:"operations"` // a name, or a beginning of names and *
	Field

	// Prefix is how much of a body is held back, in bytes, until it has named
	// the instance. Default: 64 KiB.
	Prefix int `json:"prefix,omitempty"`
}

// Field is a place in a request where a name stands. From is header, query,
// form (of either encoding) or json (a member of the outer object).
type Field struct {
	From string `json:"from,omitempty"`
	Name string `json:"name,omitempty"`
}

// Images says how requests that add and delete images name them, so that the
// capacity of an instance can be judged (D28). Which requests these are, the
// price book says.
type Images struct {
	Operations string `json:"operations"` // a name, or a beginning of names and *
	Product    Field  `json:"product"`

	// Picture may be left out where a product is one picture. A request that
	// deletes and names no picture deletes the product.
	Picture Field `json:"picture,omitzero"`

	// Buffer is how much of a body is held back, in bytes, where its names must
	// be known before it is forwarded: that of a delete, and of an add for
	// which there is no room unless it overwrites. Default: 8 MiB. What all
	// bodies and those of one account may take of the memory is bounded, too
	// (heldBack): beyond it there is a 503.
	Buffer int `json:"buffer,omitempty"`

	// Wait is how long adds and deletes that may touch the same images wait for
	// one another, and for the upstream when their client has left. What has
	// not been answered by then is listed as uncertain. Default: 5s.
	Wait caddy.Duration `json:"wait,omitempty"`
}

// Success says which responses of some operations are successes (D1).
type Success struct {
	Operations string `json:"operations"` // a name, or a beginning of names and *
	outcome.Rule
}

// Refusal says how refusals of some operations look.
type Refusal struct {
	Operations string `json:"operations"` // a name, or a beginning of names and *

	// Members are added to the body for clients that look for them: the first
	// has the reason's short name, the second a sentence.
	Members []string `json:"members,omitempty"`

	// Status overrides the status by reason, such as "arrears": 403.
	Status map[string]int `json:"status,omitempty"`
}
