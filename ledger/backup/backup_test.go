package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/ledger/journal"
)

// chainOf is n records that follow a head.
func chainOf(from journal.Head, n int) (list []journal.Record) {
	for i := range n {
		r := journal.Record{Seq: from.Seq + 1, Prev: from.Hash, At: int64(i), Kind: "command", Payload: []byte(strings.Repeat("x", i%7))}
		parsed, err := journal.ParseRecord(r.Encoded())
		if err != nil {
			panic(err)
		}
		list, from = append(list, parsed), parsed.Head()
	}
	return list
}

// written is a backup that change may spoil before it is closed.
func written(t *testing.T, h Header, records []journal.Record, change func(*Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Seq%3 == 0 {
			if err := w.File(fmt.Sprint("file-", r.Seq), []byte("content")); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Record(r); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(w)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(b []byte) (s Summary, entries int, err error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return s, 0, err
	}
	for ; ; entries++ {
		if _, err := r.Next(); err == io.EOF {
			return r.Summary(), entries, nil
		} else if err != nil {
			return r.Summary(), entries, err
		}
	}
}

func TestWrittenIsRead(t *testing.T) {
	t.Parallel()
	all := chainOf(journal.Head{}, 20)
	for _, c := range []struct {
		from, until int
	}{{0, 20}, {7, 20}, {20, 20}, {0, 0}} {
		h := Header{Ledger: "l", Currency: "USD", Zone: "UTC", Made: 7, Until: uint64(c.until)}
		if c.from > 0 {
			h.From = Of(all[c.from-1].Head())
		}
		b := written(t, h, all[c.from:c.until], nil)
		s, entries, err := read(b)
		files := c.until/3 - c.from/3
		if err != nil || s.Records != uint64(c.until-c.from) || s.Files != uint64(files) || entries != c.until-c.from+files || s.Bytes != int64(len(b)) {
			t.Errorf("%d to %d: %+v, %d entries, %v", c.from, c.until, s, entries, err)
		}
		text, err := json.Marshal(s)
		var again Summary
		if err = errors.Join(err, json.Unmarshal(text, &again)); err != nil || again != s {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestForgedBackups have every check of their own right, and are none.
func TestForgedBackups(t *testing.T) {
	t.Parallel()
	all := chainOf(journal.Head{}, 6)
	other := chainOf(journal.Head{Seq: 4}, 2) // follow another record 4
	forge := func(records ...journal.Record) func(*Writer) {
		return func(w *Writer) {
			for _, r := range records {
				w.entry(kindRecord, r.Encoded())
				w.summary.Head, w.summary.Records = Of(r.Head()), w.summary.Records+1
			}
		}
	}
	h := Header{Ledger: "l", Until: 6}
	for what, change := range map[string]func(*Writer){
		"a gap":          forge(all[5]),
		"a repetition":   forge(all[3], all[4], all[5]),
		"another chain":  forge(other...),
		"no record":      func(w *Writer) { w.entry(kindRecord, []byte("short")) },
		"no name":        func(w *Writer) { w.entry(kindFile, []byte{0, 1}) },
		"a long name":    func(w *Writer) { w.entry(kindFile, []byte{9, 'x'}) },
		"a strange kind": func(w *Writer) { w.entry('?', nil) },
		"a second head":  func(w *Writer) { w.entry(kindHeader, []byte("{}")) },
		"too many files": func(w *Writer) { w.summary.Files++ },
		"too few":        func(w *Writer) { w.summary.Records-- },
		"another head":   func(w *Writer) { w.summary.Head.Hash[0]++ },
		"an early end":   func(*Writer) {},
	} {
		if _, _, err := read(written(t, h, all[:4], change)); !errors.Is(err, ErrNotWhole) {
			t.Errorf("%s: %v", what, err)
		}
	}
	broken := written(t, h, all[:4], func(w *Writer) { w.Fail(errors.New("a file is damaged")) })
	if _, _, err := read(broken); !errors.Is(err, ErrBrokenOff) || !strings.Contains(err.Error(), "a file is damaged") {
		t.Errorf("broken off: %v", err)
	}
	if w, err := NewWriter(io.Discard, h); err != nil || w.Record(all[1]) == nil {
		t.Errorf("a gap is written: %v", err)
	}
	newer := written(t, Header{}, nil, nil)
	newer[len(magic)-1]++
	if _, _, err := read(newer); err == nil || errors.Is(err, ErrNotWhole) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a newer format: %v", err)
	}
}

// TestChain says what is wrong with a set of backups.
func TestChain(t *testing.T) {
	t.Parallel()
	head := func(seq uint64) Head { return Head{Seq: seq, Hash: Hash{byte(seq)}} }
	full, next := Header{Ledger: "l"}, Header{Ledger: "l", From: head(5)}
	for _, c := range []struct {
		header Header
		want   error
		says   string
	}{
		{next, nil, ""},
		{full, ErrOrder, "one full backup"},
		{Header{Ledger: "m", From: head(5)}, ErrForeign, "of ledger m"},
		{Header{Ledger: "l", From: head(6)}, ErrOrder, "between them"},
		{Header{Ledger: "l", From: head(4)}, ErrOrder, "each once"},
		{Header{Ledger: "l", From: Head{Seq: 5}}, ErrForeign, "two histories"},
	} {
		var chain Chain
		if err := chain.Next(full); err != nil || chain.First().Ledger != "l" {
			t.Fatal(err)
		}
		chain.Done(Summary{Head: head(5)})
		err := chain.Next(c.header)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.header, err)
		}
	}
	if err := new(Chain).Next(next); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), "the full backup first") {
		t.Errorf("an increment first: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	all := chainOf(journal.Head{}, 3)
	f.Add(written(&testing.T{}, Header{Ledger: "l", Until: 3}, all, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _, err := read(b)
		if err == nil && s.Bytes != int64(len(b)) {
			t.Errorf("%d bytes of %d are taken for whole", s.Bytes, len(b))
		}
	})
}
