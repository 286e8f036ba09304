// Package backup is the file format of a backup: a journal's records, or those
// after an earlier backup's, with the sealed usage files that they name. The
// ledger is made again from these two, so nothing else is in it. It holds API keys
// as hashes only, as the journal does.
//
//	w, err := backup.NewWriter(out, backup.Header{Ledger: id, …})
//	err = w.File(name, content) // before the record that names it
//	err = w.Record(r)
//	summary, err := w.Close()
//
// The file, integers little-endian:
//
//	magic
//	entry   h: the Header as JSON
//	entries f: 1 byte length of the name, name, content of a sealed file
//	        r: a record, as journal.Record.Encoded
//	entry   e: 8 bytes sequence of the last record, 32 its hash, 8 number of
//	        records, 8 number of files
//	32 bytes SHA-256 of all before
//
// An entry is a letter, 4 bytes length, content, 4 bytes CRC-32C of all three. In
// place of e there may be x: why the backup was broken off. Without e and the hash
// behind it a backup is none, wherever it ends.
package backup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/tallygate/tallygate/ledger/journal"
)

var (
	// ErrNotWhole: a file is no backup, or was cut or changed since it was made.
	ErrNotWhole = errors.New("not a whole backup")
	// ErrOrder: a backup does not go on where the one before it ends.
	ErrOrder = errors.New("backups in the wrong order")
	// ErrForeign: a backup is of another ledger, or of another history of it.
	ErrForeign = errors.New("backup of another ledger")
	// ErrBrokenOff: the gateway could not finish the backup. The message says why.
	ErrBrokenOff = errors.New("the backup was broken off")
)

const (
	magic    = "TGBACKU\x01" // the last byte is the format's version
	entryMax = 1 << 30       // bytes

	kindHeader  = 'h'
	kindFile    = 'f'
	kindRecord  = 'r'
	kindTrailer = 'e'
	kindFailure = 'x'

	trailerSize = 8 + 32 + 8 + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header says what a backup is of.
type Header struct {
	Ledger   string `json:"ledger"` // its id
	Currency string `json:"currency"`
	Zone     string `json:"zone"`
	Test     bool   `json:"test,omitempty"` // of a test ledger
	Made     int64  `json:"made"`           // when it was begun, Unix seconds of event time
	From     Head   `json:"from"`           // where the backup before it ends; zero: this is a full one
	Until    uint64 `json:"until"`          // sequence of the last record that it is to hold
}

// Full reports whether the backup begins with the ledger's first record.
func (h Header) Full() bool { return h.From == Head{} }

// Head is a journal.Head with its hash in hex.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash Hash   `json:"hash"`
}

// Hash is a SHA-256 that is written in hex.
type Hash [32]byte

// MarshalText writes hex digits.
func (h Hash) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", h[:]), nil }

// UnmarshalText reads 64 hex digits.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("hash %q: want %d hex digits", text, 2*len(h))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Of is the head of a journal.
func Of(h journal.Head) Head { return Head{h.Seq, h.Hash} }

// Journal is the head as the journal knows it.
func (h Head) Journal() journal.Head { return journal.Head{Seq: h.Seq, Hash: h.Hash} }

// Summary is what a backup turned out to hold.
type Summary struct {
	Head    Head   `json:"head"` // of the last record; From where there is none
	Records uint64 `json:"records"`
	Files   uint64 `json:"files"`
	Bytes   int64  `json:"bytes"`
	SHA256  Hash   `json:"sha256"` // of all but its last 32 bytes, which say so
}
