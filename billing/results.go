package billing

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"

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
// ledger stores them: of a line of text for each, its numbers with a space between.
func hashCharges(h ledger.BlockHour) [32]byte {
	hash := sha256.New()
	var text []byte
	for _, c := range h.Charges {
		text = text[:0]
		for _, n := range [...]uint64{uint64(c.Account), uint64(c.Operation), uint64(c.Kind)} {
			text = append(strconv.AppendUint(text, n, 10), ' ')
		}
		text = append(strconv.AppendBool(text, c.Observed), ' ')
		text = append(strconv.AppendUint(text, uint64(c.Ref), 10), ' ')
		text = append(strconv.AppendUint(text, c.Calls, 10), ' ')
		hash.Write(append(strconv.AppendInt(text, int64(c.Amount), 10), '\n'))
	}
	return [32]byte(hash.Sum(nil))
}
