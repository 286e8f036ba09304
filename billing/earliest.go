package billing

import "github.com/tallygate/tallygate/rating/pricebook"

// EarliestStart is the first instant (Unix seconds) at which a book could take
// force if it were scheduled now (D35).
func (e *Engine) EarliestStart(b *pricebook.Book) int64 { return e.bookStart(b, 0) }
