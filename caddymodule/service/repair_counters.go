package service

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/meter/intent"
	"github.com/tallygate/tallygate/meter/tally"
)

// fromCounters makes a file again from the tally of its period, if that is there.
func (r *repair) fromCounters(f billing.NamedFile) ([]byte, error) {
	path := r.path(filepath.Join("tally", time.Unix(f.Start, 0).UTC().Format("20060102T150405Z")+".tally"))
	var rows []account.Count
	err := r.onCopy(path, func(copied string) error {
		t, _, err := tally.Open(tally.Config{SyncInterval: -1}, copied)
		if err != nil {
			return err
		}
		for _, c := range t.Each() {
			rows = append(rows, c)
		}
		return t.Close()
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("its counters are gone")
	}
	if err != nil {
		return nil, err
	}
	return billing.Remake(f, rows)
}

// onCopy runs a function that would change what it opens on a copy of it, in a
// folder with copies of what stands beside it under the same stem.
func (r *repair) onCopy(path string, f func(copied string) error) error {
	dir, err := os.MkdirTemp("", "tallygate-repair-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	for _, suffix := range []string{filepath.Ext(path), ".side0", ".side1"} {
		err := copyFile(stem+suffix, filepath.Join(dir, filepath.Base(stem)+suffix))
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && suffix != filepath.Ext(path)) {
			return err
		}
	}
	if err := f(filepath.Join(dir, filepath.Base(path))); err != nil {
		return originalOf{err, dir, filepath.Dir(path)}
	}
	return nil
}

// originalOf is an error about a copy that names what it is a copy of.
type originalOf struct {
	error
	copied, original string // folders
}

func (e originalOf) Error() string { return strings.ReplaceAll(e.error.Error(), e.copied, e.original) }
func (e originalOf) Unwrap() error { return e.error }

// lookCounters checks the counters that are not sealed yet, and the file of adds
// and deletes under way.
func (r *repair) lookCounters() error {
	paths, err := tally.List(r.path("tally"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, path := range paths {
		err := r.onCopy(path, func(copied string) error {
			t, _, err := tally.Open(tally.Config{SyncInterval: -1}, copied)
			if err == nil {
				err = t.Close()
			}
			return err
		})
		if err != nil {
			r.lookCounter(filepath.Base(path), err)
		}
	}
	err = r.onCopy(r.path("tally/images.intents"), func(copied string) error {
		log, _, err := intent.Open(copied)
		if log != nil {
			log.Close()
		}
		return err
	})
	if errors.Is(err, intent.ErrDamaged) {
		r.find(Finding{What: "tally/images.intents", Problem: intent.ErrDamaged.Error(), Lost: true,
			Cure: "the gateway goes on with what is whole: reconcile the instances that had adds or deletes when it ended"})
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (r *repair) lookCounter(name string, why error) {
	f := Finding{What: filepath.Join("tally", name), Problem: why.Error(), Lost: true,
		Way: "to go on without the calls that it counted: --without " + name}
	if slices.Contains(r.Without, name) {
		f.Cure, f.Way = "it is moved away: the calls that it counted are lost", ""
		r.away = append(r.away, name)
	}
	r.find(f)
}

// moveAway keeps counters under a name that the gateway does not look for.
func (r *repair) moveAway(name string) error {
	path := r.path(filepath.Join("tally", name))
	kept := r.keptAs(path)
	stem, keptStem := strings.TrimSuffix(path, ".tally"), strings.Replace(kept, ".tally", "", 1)
	for _, suffix := range []string{".side0", ".side1"} {
		if err := os.Rename(stem+suffix, keptStem+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	r.kept = append(r.kept, kept)
	return errors.Join(os.Rename(path, kept), durable.SyncDir(filepath.Dir(path)))
}
