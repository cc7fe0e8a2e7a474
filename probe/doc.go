// Package probe asks what a network does to a stimulus and judges the answer:
// target → trials → records → observations → verdict with its evidence.
//
// It is pure: the only impure step, carrying a trial out, is behind the
// Exchanger interface. It never sees a socket.
package probe
