package meter

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/meter/intent"
)

// images is what the meter keeps for the sets of all instances.
type images struct {
	set Images

	logLock sync.Mutex
	log     *intent.Log // opened at its first use

	lostLock sync.Mutex
	lost     []lostChange // that the ledger did not take, oldest first
	anyLost  atomic.Bool
}

// lostChange is a change that happened and is not in the ledger. Its intent
// stays open, so that a restart finds it.
type lostChange struct {
	change account.ImageChange
	hold   *imageHold
}

// recordChange tells the ledger what a call that succeeded did, before the
// client has all of the response. One by one, so that the newest figures are
// the last that are heard.
func (m *Meter) recordChange(i *imageHold) {
	a := i.account
	i.changes.lock.Lock()
	a.mu.Lock()
	change := i.change()
	i.changes.changing = true
	a.mu.Unlock()
	failpoint.Hit("images/changing")
	images, uncertain, err := m.changeImages(change)
	failpoint.Hit("images/changed")
	a.mu.Lock()
	m.leave(i)
	i.changes.changed(images, uncertain, err)
	if err != nil {
		i.changes.lost++
	}
	a.mu.Unlock()
	i.changes.lock.Unlock()
	if err != nil {
		m.lose(i, change, err)
		return
	}
	m.endIntent(i)
}

var errNoImages = errors.New("no ledger of images")

func (m *Meter) changeImages(c account.ImageChange) (images, uncertain int64, err error) {
	if m.images.set == nil {
		return 0, 0, errNoImages
	}
	return m.images.set.ChangeImages(c)
}

// lose remembers a change that the ledger did not take: the image is uncertain.
func (m *Meter) lose(i *imageHold, c account.ImageChange, err error) {
	c.Kind = account.ImageUncertain
	m.images.lostLock.Lock()
	m.images.lost = append(m.images.lost, lostChange{c, i})
	m.images.anyLost.Store(true)
	m.images.lostLock.Unlock()
	m.log.Error("the ledger did not take a change of images; adds and deletes are refused until it does", "account", c.Account, "instance", c.Instance, "error", err)
}

// recordLost tells the ledger again of what it did not take, and reports whether
// it has all of it now. While one call tries, others do not wait for it.
func (m *Meter) recordLost() bool {
	if !m.images.anyLost.Load() {
		return true
	}
	if !m.images.lostLock.TryLock() {
		return false
	}
	defer m.images.lostLock.Unlock()
	for len(m.images.lost) > 0 {
		if !m.recordAgain(m.images.lost[0]) {
			return false
		}
		m.images.lost = m.images.lost[1:]
	}
	m.images.anyLost.Store(false)
	return true
}

func (m *Meter) recordAgain(l lostChange) bool {
	i := l.hold
	a := i.account
	i.changes.lock.Lock()
	defer i.changes.lock.Unlock()
	a.mu.Lock()
	i.changes.changing = true
	a.mu.Unlock()
	images, uncertain, err := m.changeImages(l.change)
	a.mu.Lock()
	i.changes.changed(images, uncertain, err)
	if err == nil {
		i.changes.lost--
	}
	a.mu.Unlock()
	if err == nil {
		m.endIntent(i)
	}
	return err == nil
}

// RecoverIntents returns the changes that an earlier run had begun and not
// ended, as uncertain ones, with zero hashes where they are not known (D28):
// journal them, and then call ForgetIntents. With intent.ErrDamaged some may be
// missing from the list.
func (m *Meter) RecoverIntents() ([]account.ImageChange, error) {
	m.images.logLock.Lock()
	defer m.images.logLock.Unlock()
	log, open, err := intent.Open(m.intentPath())
	m.images.log = log
	return open, err
}

// HasIntents reports whether an earlier run left a file of them, as each does.
// Call it before RecoverIntents, which makes one.
func (m *Meter) HasIntents() bool {
	_, err := os.Lstat(m.intentPath())
	return err == nil
}

// ForgetIntents: what RecoverIntents returned is in the ledger.
func (m *Meter) ForgetIntents() error {
	log, err := m.intents()
	if err != nil {
		return err
	}
	return log.Forget()
}

func (m *Meter) intentPath() string { return filepath.Join(m.config.Dir, "images.intents") }

// intents is the open file. Where RecoverIntents was not called, what it would
// have returned stays in the file.
func (m *Meter) intents() (*intent.Log, error) {
	m.images.logLock.Lock()
	defer m.images.logLock.Unlock()
	if m.images.log == nil {
		if m.stopping.Load() {
			return nil, os.ErrClosed
		}
		log, _, err := intent.Open(m.intentPath())
		if log == nil {
			return nil, err
		}
		m.images.log = log
	}
	return m.images.log, nil
}

// beginIntent writes down what a call is about to change.
func (m *Meter) beginIntent(i *imageHold) error {
	log, err := m.intents()
	if err != nil {
		return err
	}
	i.account.mu.Lock()
	n := i.names
	c := account.ImageChange{Image: i.image(), Kind: account.ImageAdded}
	i.account.mu.Unlock()
	if i.class == ClassDelete {
		c.Kind = account.ImageDeleted
	}
	id, err := log.Begin(c, n.Known())
	if err != nil {
		return err
	}
	i.account.mu.Lock()
	i.intent = id
	i.account.mu.Unlock()
	return nil
}

func (m *Meter) nameIntent(id uint64, n ImageNames) {
	log, err := m.intents()
	if err == nil {
		err = log.Name(id, n.Product.Hash, n.Picture.Hash)
	}
	if err != nil {
		m.log.Warn("the names of an image could not be written down; after a crash now it is uncertain without them", "error", err)
	}
}

// endIntent: the ledger has the change, or the call failed.
func (m *Meter) endIntent(i *imageHold) {
	if i == nil || i.intent == 0 {
		return
	}
	log, err := m.intents()
	if err == nil {
		err = log.End(i.intent)
	}
	if err != nil {
		m.log.Error("the end of a change of images could not be written down; at the next start it is uncertain", "error", err)
	}
}

// closeIntents leaves the file open for calls that are still in flight.
func (m *Meter) closeIntents() error {
	m.images.logLock.Lock()
	defer m.images.logLock.Unlock()
	if m.images.log == nil || m.images.log.Len() > 0 {
		return nil
	}
	return m.images.log.Close()
}
