// Package meter is the hot path: it decides whether a call may run and counts
// it when it succeeded. It knows nothing of HTTP, Caddy or the ledger.
//
//	key, ok := m.Identify(meter.Secret, sha256.Sum256(secret))
//	hold, verdict := m.Admit(meter.Call{Key: key, Operation: op})
//	if verdict.Refused() { … tell the client …; return }
//	… run the call …
//	m.Post(&hold)                            // it succeeded: count it, or
//	m.Release(&hold, account.FailedStatus)   // it did not: give back what it held
//
// Calls that add or delete images get ready before they run: their bodies may
// have to be read first, and they take turns (D28):
//
//	if hold.HasImage() {
//		m.Ready(ctx, &hold, &verdict, names, wait)   // may refuse it after all
//		m.Name(&hold, names)                         // as the body streams by
//	}
//
// Admit is all or nothing under the account's lock: state (D20, D21), rate
// (D27) and funding (D11) are judged together and a refusal takes nothing.
// A posted call is one increment of a crash-safe counter (package tally) in the
// file of the period in which the call arrived (D6). The counter's slot is
// reserved at admission, so that posting cannot fail.
//
// There may be a million accounts, and the garbage collector must not have to
// visit them: an account refers by number to what it has, which lies in the
// meter's store, in arrays of values without pointers. Whatever follows such a
// number takes the store as its first argument.
package meter
