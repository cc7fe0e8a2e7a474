package hopinfo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Dirs are the directories in which databases are looked for, in order: those
// of the system's packages and updaters, then the user's own
// ($XDG_DATA_HOME/rstprobe, by default ~/.local/share/rstprobe).
func Dirs(getenv func(string) string) []string {
	dirs := []string{"/usr/share/GeoIP", "/usr/local/share/GeoIP", "/var/lib/GeoIP"}
	data := getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) { // the XDG Base Directory Specification has relative paths ignored
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return dirs
		}
		data = filepath.Join(home, ".local", "share")
	}
	return append(dirs, filepath.Join(data, "rstprobe"))
}

// Databases opens every *.mmdb file of some directories, in their order and
// within one the newest first. Directories that are not there are skipped;
// errs has one error for each file that cannot be used. The caller closes what
// it gets.
func Databases(dirs []string) (found []*Database, errs []error) {
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("hopinfo: databases: %w", err))
		}
		var here []*Database
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".mmdb" {
				continue
			}
			d, err := Open(filepath.Join(dir, e.Name()))
			if err != nil {
				errs = append(errs, err)
				continue
			}
			here = append(here, d)
		}
		slices.SortStableFunc(here, func(a, b *Database) int { return b.Built.Compare(a.Built) })
		found = append(found, here...)
	}
	return found, errs
}
