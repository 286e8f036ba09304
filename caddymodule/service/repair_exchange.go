package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
)

// swap puts <name>.new in the place of <name>, which is kept beside under a name
// that says so. Whenever it is killed, <name> is the old one or the new one.
func (r *repair) swap(name string) error {
	path, kept := r.path(name), r.keptAs(r.path(name))
	if err := syncTree(path + ".new"); err != nil {
		return err
	}
	failpoint.Hit("repair/built-" + name)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return errors.Join(os.Rename(path+".new", path), durable.SyncDir(r.Dir))
	}
	// For a moment the new one has the name under which the old one will be kept.
	if err := os.Rename(path+".new", kept); err != nil {
		return err
	}
	if err := durable.SyncDir(r.Dir); err != nil {
		return err
	}
	failpoint.Hit("repair/swapping-" + name)
	if err := exchange(path, kept); err != nil {
		return err
	}
	failpoint.Hit("repair/swapped-" + name)
	r.kept = append(r.kept, kept)
	return durable.SyncDir(r.Dir)
}

// keptAs is a free name for what is replaced.
func (r *repair) keptAs(path string) string { return freeName(path + ".damaged-" + r.stamp) }

func freeName(path string) string {
	name := path
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
}

// exchange gives two folders each other's name.
func exchange(a, b string) error {
	err := atomicExchange(a, b)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EOPNOTSUPP) {
		return slowExchange(a, b)
	}
	if err != nil {
		return fmt.Errorf("exchanging %s and %s: %w", a, b, err)
	}
	return nil
}

// atomicExchange is a variable so that tests can be on a file system without it.
var atomicExchange = renameExchange

// slowExchange is for file systems that cannot do it in one step: while there is no
// a, a mark keeps gateways away, and says to finishExchange what to do.
func slowExchange(a, b string) error {
	dir := filepath.Dir(a)
	mark := filepath.Join(dir, exchangeMark)
	if err := durable.Replace(mark, []byte(filepath.Base(a)+"\n")); err != nil {
		return err
	}
	steps := []func() error{
		func() error { return durable.SyncDir(dir) },
		func() error { return os.Rename(a, a+oldSuffix) },
		func() error { failpoint.Hit("repair/between"); return os.Rename(b, a) },
		func() error { return durable.SyncDir(dir) },
		func() error { failpoint.Hit("repair/exchanged"); return os.Rename(a+oldSuffix, b) },
		func() error { return durable.SyncDir(dir) },
		func() error { return os.Remove(mark) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("exchanging %s and %s: %w", a, b, err)
		}
	}
	return durable.SyncDir(dir)
}

const (
	exchangeMark = repairMark + ".exchange"
	oldSuffix    = ".old"
)

// finishExchange ends a slowExchange that was killed: the old one is back, or the
// new one stays.
func finishExchange(dir string) error {
	mark := filepath.Join(dir, exchangeMark)
	text, err := os.ReadFile(mark)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, filepath.Base(strings.TrimSpace(string(text))))
	if _, err := os.Lstat(path + oldSuffix); err == nil {
		to := path
		if _, err := os.Lstat(path); err == nil { // the new one is in its place
			to = freeName(path + ".damaged-before")
		}
		if err := os.Rename(path+oldSuffix, to); err != nil {
			return err
		}
	}
	return errors.Join(durable.SyncDir(dir), os.Remove(mark), durable.SyncDir(dir))
}
