package kernelconn

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// What a system tells of a connection that did not open, or went on no longer,
// is one of these errors, whatever number it has there. Any other is trouble
// of our own machine.
var (
	errTimeout   = errors.New("timeout")           // nothing happened in time
	errReset     = errors.New("connection reset")  // by a reset, also to our SYN
	errForbidden = errors.New("it is not allowed") // by this machine
)

// icmpError is an ICMP error that the system told of.
type icmpError struct {
	from netip.Addr // invalid: not told
	ttl  uint8      // with which it arrived; 0: not told
	icmp packet.ICMPError
}

func (e icmpError) Error() string {
	return fmt.Sprintf("ICMP type %d code %d from %v", e.icmp.Type, e.icmp.Code, e.from)
}

// info is what a system knows of a connection; all zero where !tellsAcks.
type info struct {
	resent   int           // segments of ours sent again
	held     bool          // none that was sent again is on its way now: it was answered, or never left
	acked    int           // bytes of ours that the peer has acknowledged
	sinceAck time.Duration // since its last acknowledgment
	rto      time.Duration // after which the next segment is sent again
}

func oneOf(err error, errnos []syscall.Errno) bool {
	return slices.ContainsFunc(errnos, func(errno syscall.Errno) bool { return errors.Is(err, errno) })
}

// told is what an error of connecting means: errReset, errTimeout, an
// icmpError, or the error itself.
func told(err error) error {
	switch {
	case oneOf(err, errnos.refused), oneOf(err, errnos.reset):
		return errReset
	case oneOf(err, errnos.timeout):
		return errTimeout
	}
	return err
}

// toldStanding is what an error of a connection that stood means, on which a
// refusal is an ICMP error. limited says that what we sent has a TTL with which it may
// expire.
func toldStanding(err error, limited, v6 bool) error {
	switch {
	case oneOf(err, errnos.reset):
		return errReset
	case oneOf(err, errnos.timeout):
		return errTimeout
	}
	if e, ok := errnoICMP(err, limited, v6); ok {
		return icmpError{icmp: e}
	}
	return err
}

// errnoICMP is the ICMP error that an established connection reports by its
// errno alone; false: that errno is none. A host that cannot be reached is a
// Time Exceeded (it is a host that cannot be reached or is forbidden as well,
// which a copy with a limited TTL meets less often); the codes of the others are
// those of which Linux makes them (icmp_err_convert in net/ipv4/icmp.c and
// net/ipv6/icmp.c).
func errnoICMP(err error, limited, v6 bool) (packet.ICMPError, bool) {
	unreachable := func(code4, code6 uint8) (packet.ICMPError, bool) {
		if v6 {
			return packet.ICMPError{Kind: packet.Unreachable, Type: 1, Code: code6}, true
		}
		return packet.ICMPError{Kind: packet.Unreachable, Type: 3, Code: code4}, true
	}
	switch {
	case oneOf(err, errnos.noHost) && limited && v6:
		return packet.ICMPError{Kind: packet.TimeExceeded, Type: 3}, true
	case oneOf(err, errnos.noHost) && limited:
		return packet.ICMPError{Kind: packet.TimeExceeded, Type: 11}, true
	case oneOf(err, errnos.noHost):
		return unreachable(1, 3)
	case oneOf(err, errnos.noNetwork):
		return unreachable(0, 0)
	case oneOf(err, errnos.refused):
		return unreachable(3, 4)
	case oneOf(err, errnos.forbidden):
		return unreachable(13, 1)
	case oneOf(err, errnos.noProtocol):
		return unreachable(2, 4)
	case oneOf(err, errnos.hostDown):
		return unreachable(7, 3)
	}
	return packet.ICMPError{}, false
}

// refusal is what an error of sending says of this machine, if that is why
// nothing was sent. What the network says of it comes as an icmpError.
func refusal(err error) flow.Refusal {
	switch {
	case errors.Is(err, errForbidden), oneOf(err, errnos.forbidden), oneOf(err, errnos.denied):
		return flow.Forbidden
	case oneOf(err, errnos.noHost), oneOf(err, errnos.noNetwork), oneOf(err, errnos.noDevice):
		return flow.NoWay
	case oneOf(err, errnos.noRoom):
		return flow.NoRoom
	}
	return flow.NotRefused
}
