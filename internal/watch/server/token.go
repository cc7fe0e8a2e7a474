package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// minToken is the shortest token that is taken. Those that are made here have
// 128 bits.
const minToken = 16

// NeedsToken reports whether others than this machine can reach an address.
func NeedsToken(listen netip.AddrPort) bool { return !listen.Addr().Unmap().IsLoopback() }

// ReadToken reads the token in a file: its first and only line.
func ReadToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("server: the token cannot be read: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < minToken || strings.ContainsFunc(token, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }) {
		return "", fmt.Errorf("server: %s holds no token: write one line of %d ASCII characters or more, without spaces, such as openssl rand -hex 16 gives", path, minToken)
	}
	return token, nil
}

// MakeToken reads the token in a file, which it makes first if there is none;
// made: it did. Nobody else than the owner may read that file.
func MakeToken(path string) (token string, made bool, err error) {
	token, err = ReadToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	token = rand.Text()
	if err := writeWhole(path, token+"\n"); err != nil {
		return "", false, fmt.Errorf("server: a token is needed and cannot be kept: %w", err)
	}
	return token, true, nil
}

// writeWhole makes a file for its owner alone, which is there with all of its
// text or not at all, whenever we are killed.
func writeWhole(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Exposed reports whether everybody on this machine may read a file.
func Exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && permissionsMean && info.Mode().Perm()&0o007 != 0
}
