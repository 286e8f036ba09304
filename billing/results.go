package billing

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
)

// noteResult notes the hash of what the settlement gave, once every block has
// it.
func (e *Engine) noteResult(p *sealedPeriod) {
	if p.file == nil || e.afterLoss(p) {
		return
	}
	h := sha256.New()
	for n := range p.file.Blocks() {
		result, ok := p.results.Load(n)
		if !ok {
			return // an earlier run settled part of it: only a refold can tell the whole
		}
		hash := result.([32]byte)
		h.Write(hash[:])
	}
	e.unrecorded[p.seq] = h.Sum(nil)
}

// recordResults journals the hashes of settled periods that have no record yet.
func (e *Engine) recordResults() error {
	if e.recovering {
		return nil // their records may follow
	}
	for seq, hash := range e.unrecorded {
		if err := e.append(inputSettled, settledInput{Input: seq, Hash: hash, Rules: rulesVersion}); err != nil {
			return err
		}
		failpoint.Hit("settle/recorded")
	}
	return nil
}

// compareResult holds a settled period against the record of what it gave, which
// is then there.
func (e *Engine) compareResult(in settledInput) error {
	hash, ok := e.unrecorded[in.Input]
	delete(e.unrecorded, in.Input)
	if ok && !bytes.Equal(hash, in.Hash) {
		return fmt.Errorf("%w: settling journal record %d again gives other charges than it did: hash %x, recorded %x: %s",
			ledger.ErrDamaged, in.Input, hash, in.Hash, ledger.WayOut)
	}
	return nil
}

// hashCharges is a hash of a block's charges that does not depend on how the
// ledger stores them.
func hashCharges(h ledger.BlockHour) [32]byte {
	var text []byte
	for _, c := range h.Charges {
		text = fmt.Appendf(text, "%d %d %d %t %d %d %d\n", c.Account, c.Operation, c.Kind, c.Observed, c.Ref, c.Calls, c.Amount)
	}
	return sha256.Sum256(text)
}
