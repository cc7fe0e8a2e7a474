//go:build !windows

package server

// permissionsMean reports whether the permission bits of a file say who may
// read it.
const permissionsMean = true
