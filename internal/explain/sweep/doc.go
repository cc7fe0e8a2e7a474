// Package sweep reads a captured TTL-limited sweep and its control: per TTL a
// connection whose handshake goes the whole way and whose payload does not.
// It answers who acts on the test name, and where.
//
// It makes of each connection the records that a live sweep would have made,
// and hands them to the functions that judge and place live ones
// (traceroute.Read, traceroute.Readings, probe.Decide). It reads no file.
package sweep
