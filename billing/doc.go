// Package billing is the engine: it decides inputs (commands, sealed periods),
// records them in the journal, and folds them into the ledger.
//
//	validate → journal, durable → effect in memory, answer → fold, within a second
//
// An input that is in the journal has happened. The ledger follows: it is the
// deterministic fold of the journal and the sealed usage files, and Open folds
// whatever it has not got yet. So a crash at any point loses nothing that was
// answered, and repeats nothing.
//
// Accounts live in blocks of 64. A block is changed under its own lock, by
// inputs in journal order: commands append to the journal while they hold the
// block, and a sealed period is appended while no command runs. Applying a
// period to all blocks takes a while; a command meanwhile first applies it to
// its own block.
package billing
