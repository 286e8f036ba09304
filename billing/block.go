package billing

import (
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// block is a block of accounts in memory, ahead of the ledger by what its step
// holds. Accounts are replaced, never changed, so a flush can copy pointers; but
// for those of a fresh block.
type block struct {
	mu       sync.Mutex
	images   sync.RWMutex // for reading a command's from judgement to effect, for writing an image change's; before mu
	number   uint32
	loaded   bool
	folded   uint64 // newest input applied here
	accounts [ledger.BlockSize]*account.Account
	step     ledger.Step   // effects since the last flush or cut, without the block itself
	parts    []ledger.Step // cut before that, each with the block as it stood then
	flushing []ledger.Step // images that the last flush took, while they may not be in the ledger
	dirty    bool
	// termsStand: they are as they were read. Once they are not, they do not stand again
	// before the block is read anew.
	termsStand bool
	growing    int  // by how much accounts grow that are on their way to the disk
	fresh      bool // read for who has it locked, or locks it next: nobody has seen its accounts
	lent       bool // its accounts stand where others will: see share

	users int // under the cache's lock; a flush is one until the ledger has what it took
}

// blockCache keeps the blocks in use and those not yet flushed.
type blockCache struct {
	engine *Engine
	mu     sync.Mutex
	blocks map[uint32]*block
}

// keepBlocks is how many idle blocks stay in memory; flushBlocks after how many an
// input for many of them is flushed, foldBlocks after how many at a start. Variables,
// so that tests can make them small.
var keepBlocks, flushBlocks, foldBlocks = 256, 64, 1024

// lock returns a block, loaded and locked, with every appended period applied.
// It is the caller's until unlock.
func (c *blockCache) lock(number uint32) (*block, error) {
	b, err := c.visit(number)
	if err == nil {
		b.share()
	}
	return b, err
}

// visit is lock for who keeps nothing of the accounts after unlock.
func (c *blockCache) visit(number uint32) (*block, error) {
	b := c.take(number)
	if err := c.ready(b); err != nil {
		c.unlock(b)
		return nil, err
	}
	return b, nil
}

// take returns a block locked, as it is.
func (c *blockCache) take(number uint32) *block {
	b := c.hold(number)
	b.mu.Lock()
	return b
}

// hold returns a block that stays in memory until leave.
func (c *blockCache) hold(number uint32) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocks == nil {
		c.blocks = make(map[uint32]*block)
	}
	b := c.blocks[number]
	if b == nil {
		b = &block{number: number}
		c.blocks[number] = b
	}
	b.users++
	return b
}

// put keeps a block that was read for whoever locks it next.
func (c *blockCache) put(stored ledger.Block, lent bool) {
	b := c.take(stored.Number)
	if !b.loaded {
		b.load(stored, lent)
	}
	b.mu.Unlock()
	c.release([]*block{b})
}

func (b *block) load(stored ledger.Block, lent bool) {
	b.folded, b.loaded, b.fresh, b.lent, b.termsStand = stored.Folded, true, true, lent, true
	for _, a := range stored.Accounts {
		b.accounts[a.Number%ledger.BlockSize] = a
	}
}

func (c *blockCache) ready(b *block) error {
	if !b.loaded {
		stored, err := c.engine.Store.Block(b.number)
		if err != nil {
			return err
		}
		b.load(stored, false)
	}
	return c.engine.catchUp(b)
}

func (c *blockCache) unlock(b *block) {
	b.fresh = false
	b.mu.Unlock()
	c.leave(b)
}

func (c *blockCache) leave(b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.users--; b.users == 0 && !b.dirty && len(c.blocks) > keepBlocks {
		delete(c.blocks, b.number)
	}
}

// own reports whether the locked block's accounts may be changed where they are: if
// that fails, the block can be read again.
func (b *block) own() bool { return b.fresh && !b.dirty }

// forget makes the block be read again.
func (b *block) forget() {
	b.loaded, b.fresh, b.lent, b.accounts = false, false, false, [ledger.BlockSize]*account.Account{}
}

// keep makes blocks stay in memory until release.
func (c *blockCache) keep(b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.users++
}

func (c *blockCache) release(blocks []*block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range blocks {
		b.users--
	}
}

// all returns the blocks in memory, in no order.
func (c *blockCache) all() []*block {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*block, 0, len(c.blocks))
	for _, b := range c.blocks {
		list = append(list, b)
	}
	return list
}

// trim forgets idle blocks that the ledger has entirely.
func (c *blockCache) trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, b := range c.blocks {
		if len(c.blocks) <= keepBlocks {
			return
		}
		if b.users == 0 && !b.dirty {
			delete(c.blocks, n)
		}
	}
}

// account returns an account of the locked block, or nil.
func (b *block) account(number uint32) *account.Account {
	return b.accounts[number%ledger.BlockSize]
}

// cut ends a part of what the next flush takes. An image and the block's count
// of it must reach the ledger together, or a fold that is interrupted would
// find the image and not count it again; and a transaction takes so much only.
func (b *block) cut() {
	part := b.step
	part.Blocks = []ledger.Block{b.snapshot()}
	b.parts, b.step = append(b.parts, part), ledger.Step{}
}

// partImages is how many values of images a part holds.
func partImages() int { return stepBytes / imageBytes / 2 }

// takeParts gives the parts to a flush, and keeps the images that it takes.
func (b *block) takeParts() []ledger.Step {
	b.cut()
	parts := b.parts
	b.flushing, b.parts, b.dirty = nil, nil, false
	for _, p := range parts {
		if len(p.Products) > 0 {
			b.flushing = append(b.flushing, ledger.Step{Products: p.Products, Pictures: p.Pictures})
		}
	}
	return parts
}

// snapshot is the block as the ledger shall have it.
func (b *block) snapshot() ledger.Block {
	s := ledger.Block{Number: b.number, Folded: b.folded, TermsStand: b.termsStand, Accounts: make([]*account.Account, 0, ledger.BlockSize)}
	for _, a := range b.accounts {
		if a != nil {
			s.Accounts = append(s.Accounts, a)
		}
	}
	return s
}
