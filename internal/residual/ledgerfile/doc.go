// Package ledgerfile keeps a residual.Ledger in a file, so that the next run
// and other processes know what is blocked. cmd/rstprobe calls it.
//
// The file is replaced as a whole, never written in place: whenever a process
// dies, there is the old ledger or the new one. Writers take turns by a lock
// on a file beside it and merge what they find, so that none loses what
// another wrote. A ledger is a precaution: whatever is wrong with the file, a
// measurement can go on with the ledger in memory, and the errors say so.
package ledgerfile
