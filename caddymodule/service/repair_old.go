package service

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/badgerstore"
)

// readingDir holds a copy of the database, since to open one changes it.
const readingDir = "badger.reading"

// oldLedger is the database as a repair found it.
type oldLedger struct {
	store *badgerstore.Store
	meta  ledger.Meta
}

func (o *oldLedger) close() error { return o.store.Close() }

// openOld opens a copy of the database.
func openOld(dir, copyDir string, log *slog.Logger) (*oldLedger, error) {
	if err := copyDatabase(dir, copyDir); err != nil {
		return nil, err
	}
	store, err := badgerstore.Open(badgerstore.Config{Dir: copyDir, Logger: log})
	if err != nil {
		return nil, err
	}
	meta, err := store.Meta()
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &oldLedger{store, meta}, nil
}

// copyDatabase copies a folder. Tables are never written again, so their copy is a
// second name.
func copyDatabase(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		source, copied := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.Name() == "LOCK" || !e.Type().IsRegular() {
			continue
		}
		if strings.HasSuffix(e.Name(), ".sst") && os.Link(source, copied) == nil {
			continue
		}
		if err := copyFile(source, copied); err != nil {
			return err
		}
	}
	return nil
}

// copyFile leaves out what is zero, which much of a database's logs is.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zeros := make([]byte, 64<<10)
	b := make([]byte, len(zeros))
	for at := int64(0); ; {
		n, err := io.ReadFull(in, b)
		if n > 0 && !bytes.Equal(b[:n], zeros[:n]) {
			if _, err := out.WriteAt(b[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return out.Truncate(at)
		}
		if err != nil {
			return err
		}
	}
}
