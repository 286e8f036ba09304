// Package tally counts calls so that killing the process loses none of them.
//
// A tally is one mapped file per node and settlement period. Every line (who
// called what, and what paid for it or why it was not billed) owns a 32-byte
// slot in it; counting is one aligned 64-bit store into the mapping, which the
// kernel keeps when the process dies. Why-not-billed lines (D5) are slots like
// any other.
//
//	f, err := tally.Create(tally.Config{Dir: dir}, tally.Header{Node: "a", Start: hour, Length: 3600})
//	slot, err := f.Slot(account.Line{Account: 7, Operation: 1, Kind: account.PayPerUse})
//	f.Add(slot) // under the account's lock; returns after the count is safe from kill -9
//
// # Power loss
//
// The mapped file is never synced while it is counted into: write-back
// protects pages, and every protected page stalls a call. Instead the slots
// that changed are appended to a side file every Config.SyncInterval, and that
// is synced. Counts only grow, so after a power loss the larger of the mapped
// and the side value of each slot holds, and at most the calls of one interval
// and one sync are missing. The side file has two preallocated halves: when
// one is full, all slots are written to the other, synced, and the halves swap.
//
// # Files
//
// A tally of the period that starts 2026-11-22 02:00 UTC is three files:
//
//	20261122T020000Z.tally   header, 64 KiB; then slots of 32 bytes
//	20261122T020000Z.side0   header, 4 KiB; then batches of changed slots
//	20261122T020000Z.side1   the same
//
// Everything in them is checked when a tally is resumed: headers, batches and
// the static part of slots by CRC-32C that covers a random identity of the
// tally and the slot's own number; count words by 16 check bits of their own.
// [Open] repairs what the side file can repair and reports all of it.
// Words are in the machine's byte order: resume a tally on the kind of machine
// that began it.
package tally
