package service

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/durable"
)

// The file of the mark is a line of JSON and the line's SHA-256.

func readMark(path string) (m billing.ClockMark, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	line, sum, _ := bytes.Cut(text, []byte("\n"))
	if hash := sha256.Sum256(line); string(bytes.TrimSpace(sum)) != hex.EncodeToString(hash[:]) {
		return m, errors.New("it is damaged")
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return m, fmt.Errorf("it is damaged: %w", err)
	}
	return m, nil
}

func writeMark(path string, m billing.ClockMark) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(line)
	return durable.Replace(path, fmt.Appendf(line, "\n%x\n", hash))
}

// keepMark writes down where the clock stands; the caller holds jumpLock. That it cannot is no reason to
// stop: the journal knows nearly as much.
func (s *Service) keepMark() {
	w := s.wall
	if w == nil {
		return
	}
	w.markLock.Lock()
	defer w.markLock.Unlock()
	w.kept.Store(w.Now().Mono)
	if err := writeMark(w.path, s.engine.ClockMark()); err != nil {
		w.log.Warn("cannot write down where the clock stands", "error", err)
	}
}
