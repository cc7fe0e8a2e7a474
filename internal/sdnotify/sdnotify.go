// Package sdnotify tells the system manager how far a service is, by the
// protocol of sd_notify(3): one datagram of lines NAME=VALUE to the socket
// that $NOTIFY_SOCKET names. Other managers and container engines speak it,
// too; where nobody listens, nothing is sent.
package sdnotify

import (
	"fmt"
	"net"
	"os"
)

// States of a service.
const (
	Ready     = "READY=1"     // also at the end of Reloading
	Reloading = "RELOADING=1" // until Ready
	Stopping  = "STOPPING=1"
)

// variable is the environment variable that names the socket: a path, or with
// @ in front a name of the abstract name space (unix(7)).
const variable = "NOTIFY_SOCKET"

// Notify tells a state. It is nil if nobody wants to know.
func Notify(state string) error {
	path := os.Getenv(variable)
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("sdnotify: %s: %w", variable, err)
	}
	defer conn.Close() //nolint:errcheck // what was sent is sent
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("sdnotify: tell %s: %w", state, err)
	}
	return nil
}
