package ledgerfile

import "errors"

// The errors that callers may tell apart, besides residual.ErrVersion and
// those of package fs, such as fs.ErrPermission.
var (
	// ErrSetAside means that the file was no ledger. It was renamed, and the
	// message says to what.
	ErrSetAside = errors.New("not a ledger, and was set aside")
	// ErrBusy means that another process held the lock for too long.
	ErrBusy = errors.New("another process holds the lock")
	// ErrNotRegular means that the path names a directory, device or the like.
	ErrNotRegular = errors.New("not a regular file")
)
