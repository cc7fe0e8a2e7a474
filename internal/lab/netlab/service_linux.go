package netlab

import (
	"net"
	"net/http"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// service is what the server speaks on a port.
type service struct {
	port    uint16
	length  func(b []byte) int                  // of the request that b begins with; 0: not complete
	name    func(request []byte) (string, bool) // whom it asks for
	refusal []byte                              // what lab.PolicyAlert answers
	// answer reads the request, which has been peeked at, and answers it, with
	// the page where there are pages. It returns nil when it is ready for the next one.
	answer func(conn net.Conn, request []byte, page string) error
}

var tlsService = service{
	port:    443,
	length:  lab.HelloLength,
	name:    payload.ServerName,
	refusal: payload.AlertBytes(112), // unrecognized_name (RFC 6066 §3)
	answer: func(conn net.Conn, _ []byte, page string) error {
		return lab.ServeTLS(conn, page)
	},
}

var httpService = service{
	port:    80,
	length:  lab.HeadLength,
	name:    payload.HostHeader,
	refusal: payload.BlockPage(http.StatusMisdirectedRequest, ""),
	answer: func(conn net.Conn, request []byte, page string) error {
		if err := skip(conn, request); err != nil {
			return err
		}
		_, err := conn.Write(lab.HTTPAnswer(page))
		return err
	},
}
