// Package argv puts the words of a command line into the order that
// urfave/cli/v2 can read.
//
// That library hands a line to the standard flag package, which stops at the
// first word that is no flag: in "prog host --json" the flag would silently
// become a second host. Normalize moves flags to the level that defines them
// and targets behind "--", so that any order of words means the same. It
// parses no value and runs nothing; cmd/rstprobe calls it before App.Run.
package argv
