// Package residual knows about residual blocking: many boxes, once triggered,
// go on resetting or dropping what follows between the same two ends, however
// harmless, for seconds to minutes (Bock et al., "Your Censor is My Censor",
// WOOT 2021). A trial sent into such a block measures the block and not what
// it asks about.
//
// Ledger remembers what must not be touched until when, and what was measured
// of which boxes. Plan measures a block: what it covers and how long it lasts.
// Budget bounds and counts the time spent waiting. All of it is given the
// time, or sleeps by package time; nothing here sends a packet or touches a
// file. Package ledgerfile keeps a ledger between runs; package diagnosis
// asks and fills it.
package residual
