package lab

import "net/netip"

// Program is a program of somebody else's in a node of the path: a connection
// killer or a proxy in a router, or the server itself. netlab only.
//
// It runs in a directory of its own with Files and CertificateFile in it,
// and must stay in the foreground, in one process. It is ready once it listens
// on all of Listens and has said Says.
type Program struct {
	Node    int               // the router that it runs in, 1 … Routers; Routers+1: the server, whose own services on those ports are then off
	Command []string          // its name and its arguments
	Files   map[string]string // by name
	Listens []uint16          // TCP ports
	Says    string            // a part of what it writes to its standard output or error; "": nothing to wait for
	Takes   []netip.Addr      // addresses whose connections to those ports the router hands to it: a transparent proxy; nil: none
}

// CertificateFile has a certificate and its key, in PEM, for servers that
// want one. Nobody is meant to trust it.
const CertificateFile = "server.pem"

// Taken are the ports on which a program is the server.
func (t Topology) Taken() []uint16 {
	var ports []uint16
	for _, p := range t.Programs {
		if p.Node == t.Routers+1 {
			ports = append(ports, p.Listens...)
		}
	}
	return ports
}
