// Package archtest holds the import rules of ARCHITECTURE.md as a test: which
// package may import which, which packages of others are confined to which of
// ours, and how long a file may be. Nothing imports it.
//
// The rules are data, in rules.go. An arrow that is not listed is forbidden,
// so a new one is a decision that shows in a review, with its reason.
package archtest
