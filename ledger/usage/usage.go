// Package usage is the sealed hour's file: how many calls each line of one
// node and one hour counted (D5, D6). Billing writes it once from the tally's
// rows; from then on it is only read, and kept for ever. The journal names it
// by its hash, which is what `sha256sum` prints for it.
//
//	info, err := usage.Write("data/usage", usage.Header{Node: "a", Start: hour, Length: 3600, Operations: names}, rows)
//	file, err := usage.Open(filepath.Join("data/usage", info.Name))
//	for n := range file.Blocks() {
//		settle(file.Block(n))
//	}
//
// The same header and rows always give the same bytes.
package usage

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/tallygate/tallygate/account"
)

var (
	// ErrDamaged: a file is not as it was written. The message says which
	// check failed.
	ErrDamaged = errors.New("usage file damaged")
	// ErrConflict: the hour has been sealed before, with other content.
	ErrConflict = errors.New("hour already sealed with other content")
)

// BlockAccounts is how many accounts share a block: account a is in block
// a/BlockAccounts.
const BlockAccounts = 64

// Header says what a file counts.
type Header struct {
	Node   string // 1 to 32 of a-z, 0-9 and -
	Start  int64  // Unix seconds
	Length int64  // seconds, 1 to 3600
	// Operations names the operations by number; index 0 stands for none and
	// is empty. It must reach to the largest number in the rows.
	Operations []string
	// Damaged is how many counters were damaged: calls after their last sync may
	// be missing, and the counts are a lower bound. 0 normally.
	Damaged uint64
}

// Sum totals a file.
type Sum struct {
	Lines     int
	Billed    uint64 // calls of lines that are billed
	NotBilled uint64 // calls of all other lines, refusals that were only observed included
}

// Info identifies a file and totals it.
type Info struct {
	Name   string   // of the file, without folder
	Hash   [32]byte // SHA-256 of the whole file
	Size   int64    // bytes
	Header Header
	Sum    Sum
}

const (
	suffix       = ".usage"
	timeLayout   = "20060102T150405Z"
	latestStart  = 253402300799 // the year 9999 ends
	maxOperation = 1<<16 - 1
	maxName      = 255 // bytes of an operation's name
)

// Name is the name of the header's file: "20261122T020000Z-a.usage".
func (h Header) Name() string {
	return time.Unix(h.Start, 0).UTC().Format(timeLayout) + "-" + h.Node + suffix
}

func (h Header) check() error {
	if len(h.Node) < 1 || len(h.Node) > 32 {
		return fmt.Errorf("node %q: use 1 to 32 of a-z, 0-9 and -", h.Node)
	}
	for _, c := range []byte(h.Node) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("node %q: use 1 to 32 of a-z, 0-9 and -", h.Node)
		}
	}
	if h.Start < 0 || h.Start > latestStart {
		return fmt.Errorf("start %d: want Unix seconds from 1970 to 9999", h.Start)
	}
	if h.Length < 1 || h.Length > 3600 {
		return fmt.Errorf("length %d: want 1 to 3600 seconds", h.Length)
	}
	return checkOperations(h.Operations)
}

func checkOperations(names []string) error {
	if len(names) > maxOperation+1 {
		return fmt.Errorf("%d operations: want at most %d", len(names), maxOperation+1)
	}
	for n, name := range names {
		if (n == 0) != (name == "") || len(name) > maxName {
			return fmt.Errorf("operation %d is named %q: want a name of 1 to %d bytes, and none for 0", n, name, maxName)
		}
	}
	if i := duplicate(names); i != "" {
		return fmt.Errorf("two operations are named %q", i)
	}
	return nil
}

func duplicate(names []string) string {
	sorted := slices.Sorted(slices.Values(names))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return sorted[i]
		}
	}
	return ""
}

// add totals one more line. The sum must fit 64 bits, billed and not billed
// together, so that no reader can overflow.
func (s *Sum) add(c account.Count) error {
	s.Lines++
	total := &s.NotBilled
	if c.Kind.Billed() {
		total = &s.Billed
	}
	var carry uint64
	if *total, carry = bits.Add64(*total, c.Calls, 0); carry == 0 {
		_, carry = bits.Add64(s.Billed, s.NotBilled, 0)
	}
	if carry != 0 {
		return fmt.Errorf("the calls overflow at account %d, %s", c.Account, c.Funding())
	}
	return nil
}
