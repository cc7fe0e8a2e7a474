package ledgerfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/residual"
)

const (
	// maxSize is above what a ledger at its limits takes.
	maxSize = 4 << 20
	// debrisAge is how old a temporary file must be to be nobody's any more.
	debrisAge = time.Hour
)

// Load reads the ledger at path; there need not be one. The ledger is never
// nil and can be used whatever the error, which says why it is empty.
func Load(path string, now time.Time) (*residual.Ledger, error) {
	l, err := read(path, now)
	if errors.Is(err, residual.ErrCorrupt) {
		// Under the lock it may be another's new file by now.
		corrupt := err
		err = locked(path, func() (err error) {
			l, err = readOrSetAside(path, now)
			return err
		})
		if err != nil && !errors.Is(err, residual.ErrCorrupt) { // it is in the way still
			err = errors.Join(corrupt, err)
		}
	}
	if err != nil {
		return &residual.Ledger{}, fmt.Errorf("ledgerfile: read %s: %w", path, err)
	}
	return l, nil
}

// Save merges l with the ledger at path, in both directions, forgets what is
// over, and replaces the file. Directories that are missing are made, for the
// user alone. A file that was no ledger is set aside; l is saved nevertheless,
// and the error is ErrSetAside.
func Save(path string, l *residual.Ledger, now time.Time) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("ledgerfile: %w", err)
	}
	err := locked(path, func() error {
		stored, warning := readOrSetAside(path, now)
		if warning != nil && !errors.Is(warning, ErrSetAside) {
			return warning
		}
		if stored != nil {
			l.Merge(stored)
		}
		l.Prune(now)
		data, err := l.Encode(now)
		if err != nil {
			return err
		}
		return errors.Join(warning, replace(path, data, now))
	})
	if err != nil {
		return fmt.Errorf("ledgerfile: save %s: %w", path, err)
	}
	return nil
}

// read returns an empty ledger if there is no file.
func read(path string, now time.Time) (*residual.Ledger, error) {
	// Asked before it is opened, since opening a pipe would block.
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &residual.Ledger{}, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%w: longer than %d bytes", residual.ErrCorrupt, maxSize)
	}
	return residual.Decode(data, now)
}

// readOrSetAside renames a file that is no ledger, so that nobody's data is
// lost. The lock is held. The ledger is nil with any error.
func readOrSetAside(path string, now time.Time) (*residual.Ledger, error) {
	l, err := read(path, now)
	if !errors.Is(err, residual.ErrCorrupt) {
		return l, err
	}
	aside := path + ".corrupt"
	if renameErr := os.Rename(path, aside); renameErr != nil {
		return nil, errors.Join(err, renameErr)
	}
	return nil, fmt.Errorf("%w as %s: %w", ErrSetAside, aside, err)
}

// replace puts data in the place of the file in one step. The lock is held.
func replace(path string, data []byte, now time.Time) (err error) {
	dir, pattern := filepath.Dir(path), filepath.Base(path)+".tmp-"
	if err := sweep(dir, pattern, now); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, pattern+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	// Without it, a rename can outlive a crash of the machine and the data not.
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// sweep removes temporary files that killed processes left over.
func sweep(dir, prefix string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && now.Sub(info.ModTime()) < debrisAge {
			continue
		}
		if err == nil {
			err = os.Remove(filepath.Join(dir, e.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
