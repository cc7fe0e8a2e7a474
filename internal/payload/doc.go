// Package payload builds what is said to a server once a connection stands,
// a TLS ClientHello or an HTTP request, to the byte: with a chosen name and a
// chosen length. It reads the name back out of either, recognises what is
// answered, and offers harmless names to compare with. It sends nothing.
package payload
