package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
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
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		token, err = ReadToken(path)
		return token, false, err
	}
	if err != nil {
		return "", false, fmt.Errorf("server: a token is needed and cannot be kept: %w", err)
	}
	token = rand.Text()
	_, err = f.WriteString(token + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", false, errors.Join(fmt.Errorf("server: a token is needed and cannot be kept: %w", err), os.Remove(path))
	}
	return token, true, nil
}

// Exposed reports whether everybody on this machine may read a file.
func Exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && permissionsMean && info.Mode().Perm()&0o007 != 0
}
