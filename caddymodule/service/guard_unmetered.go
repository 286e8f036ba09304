package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tallygate/tallygate/account"
)

// unmetered records the calls that ran and could not be counted: in the log, and
// in a file of the ledger's folder that has a line for each account, operation and
// tenth of a second. Its space is allocated ahead, since disks that are full are
// what it is for. A kill may take the newest tenth.
type unmetered struct {
	path  string
	log   *slog.Logger
	ring  chan struct{} // holds a token while there is something to write
	tell  func(calls uint64, why error)
	label func(operation uint16) string

	mu    sync.Mutex
	calls map[account.Line]uint64
	why   error
	file  *os.File // nil where it could not be had
	size  int64
}

const (
	unmeteredEvery = 100 * time.Millisecond
	unmeteredAhead = 256 << 10 // bytes
)

// unmeteredLine is one line of the file.
type unmeteredLine struct {
	At        string `json:"at"`
	Account   uint32 `json:"account_number"`
	Operation string `json:"operation"`
	Outcome   string `json:"outcome"` // what would have paid
	Calls     uint64 `json:"calls"`
	Why       string `json:"why"`
}

func openUnmetered(path string, log *slog.Logger) *unmetered {
	u := &unmetered{path: path, log: log, ring: make(chan struct{}, 1), calls: map[account.Line]uint64{}}
	var err error
	if u.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		var info os.FileInfo
		if info, err = u.file.Stat(); err == nil {
			u.size = info.Size()
			err = u.ahead()
		}
	}
	if err != nil {
		log.Warn("calls that cannot be counted can be recorded in the log only, should there be any", "error", err)
	}
	return u
}

// ahead allocates the space of lines to come.
func (u *unmetered) ahead() error { return allocateAhead(u.file, u.size, unmeteredAhead) }

// note takes a call, without waiting.
func (u *unmetered) note(line account.Line, why error) {
	u.mu.Lock()
	u.calls[line]++
	u.why = why
	u.mu.Unlock()
	select {
	case u.ring <- struct{}{}:
	default:
	}
}

// run writes what is noted until done is closed, and what is left then.
func (u *unmetered) run(done <-chan struct{}) {
	for {
		select {
		case <-done:
			u.write()
			return
		case <-u.ring:
		}
		select {
		case <-done:
		case <-time.After(unmeteredEvery):
		}
		u.write()
	}
}

func (u *unmetered) write() {
	u.mu.Lock()
	calls, why := u.calls, u.why
	u.calls = map[account.Line]uint64{}
	u.mu.Unlock()
	var all uint64
	for line, n := range calls {
		all += n
		l := unmeteredLine{At: time.Now().UTC().Format(time.RFC3339Nano), Account: line.Account, Operation: u.label(line.Operation),
			Outcome: line.Kind.String(), Calls: n, Why: why.Error()}
		if err := u.append(l); err != nil { // then the log is the record
			u.log.Error("calls ran that could not be counted", "account", l.Account, "operation", l.Operation, "outcome", l.Outcome, "calls", n,
				"error", errors.Join(why, err))
		}
	}
	if all > 0 {
		u.log.Error("calls ran that could not be counted", "calls", all, "record", u.path, "error", why)
		u.tell(all, why)
	}
}

func (u *unmetered) append(l unmeteredLine) error {
	if u.file == nil {
		return os.ErrClosed
	}
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	n, err := u.file.Write(append(b, '\n'))
	if before := u.size; err == nil && (before+int64(n))/unmeteredAhead != before/unmeteredAhead {
		_ = u.ahead() // or a full disk says so when the space is used up
	}
	u.size += int64(n)
	return err
}

// close writes what calls have left that ended after run, and makes all durable.
func (u *unmetered) close() error {
	u.write()
	if u.file == nil {
		return nil
	}
	return errors.Join(u.file.Sync(), u.file.Close())
}

// alertUnmetered tells the operator's systems, at most once a minute.
func (s *Service) alertUnmetered(calls uint64, why error) {
	if time.Since(s.alerted) < time.Minute {
		return
	}
	s.alerted = time.Now()
	s.herald.tell(Notice{Event: account.Event{Kind: EventUnmetered, At: s.Now().Unix(),
		Text: fmt.Sprintf("%d calls and more ran that could not be counted: %v", calls, why)}})
}

// EventUnmetered is no event of an account, but of the gateway: calls run that
// cannot be counted. It is told at most once a minute.
const EventUnmetered account.EventKind = "unmetered"
