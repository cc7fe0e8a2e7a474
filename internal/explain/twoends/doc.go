// Package twoends holds two captures of the same traffic, one taken at either
// end, against each other: what was sent here and seen there, what was lost
// on the way, and what is there though nobody sent it.
//
// A packet that arrives at one end and never left the other was made by
// somebody between them; no finding of one capture alone is as sure. What two
// captures differ in innocently is kept apart from it: address translation
// and firewalls that choose sequence numbers anew, segments that an interface
// merged or cut, packets that a capture missed, packets that the network
// doubled, captures that begin late or end early, clocks that differ, drift
// or are set.
//
// It is fed conversations of package flow, reads no file and writes none.
package twoends
