package report

import "github.com/rstprobe/rstprobe/probe"

// CauseText says in a few words what a cause code means; "" for an unknown
// code and for "".
func CauseText(c probe.Cause) string { return causes[c] }

// The letter says where a cause sits: M a box in the middle, S the server or
// its own gear, C our own side, N no reset at all.
var causes = map[probe.Cause]string{
	"M1":  "a box answers the SYN with a reset: the address or port is blocked",
	"M2":  "a box resets both ends as soon as it sees the SYN-ACK",
	"M3":  "a box resets our end on seeing our data",
	"M4":  "a tap resets both ends",
	"M5":  "a box in the path turns the server's answer into a reset",
	"M6":  "a box in the path drops the packet that carries the trigger",
	"M7":  "a box lets the trigger pass, then silences the connection",
	"M8":  "a filter drops one direction of the connection; the other passes",
	"M9":  "the address or its prefix is black-holed",
	"M10": "traffic is throttled or dropped at random",
	"M11": "a box answers in the server's place: block page, redirect or altered answer",
	"M12": "a box closes the connection with a forged FIN",
	"M13": "what failed before keeps failing for a while: residual blocking",
	"M14": "the connection is cut after a fixed amount of data",
	"M15": "a box forges resets and copies our TTL into them",
	"M16": "a man in the middle completes TLS with a certificate of its own",
	"M17": "somebody guesses sequence numbers to break the connection blindly",
	"M18": "a filter between two networks blocks both directions",
	"M19": "a forged DNS answer led to the wrong host",
	"M20": "a box allows only protocols that it recognises on this port",

	"S1":  "the port is closed: nothing listens",
	"S2":  "the server is overloaded: its accept queue overflows",
	"S3":  "the server's TCP rejects an illegal combination of flags",
	"S4":  "the server's firewall or access list rejects the connection",
	"S5":  "the server knows no such connection: it restarted, failed over or forgot it",
	"S6":  "the server gave up retransmitting: our acknowledgments do not reach it",
	"S7":  "the server closed without reading all that we sent",
	"S8":  "the server aborted the connection right after its last data",
	"S9":  "data reached the server after it had closed",
	"S10": "the server process died or was replaced",
	"S11": "the server still holds an older connection with the same ports",
	"S12": "idle timeout of the server, a load balancer or a firewall",
	"S13": "a load balancer or firewall clears the connection after its close, which is harmless",
	"S14": "a load balancer or SYN proxy in front of the server ends it",
	"S15": "policy of the server: it refuses this name",
	"S16": "the server limits our rate or has banned our address",
	"S17": "a security appliance of the server's owner resets both ends",
	"S18": "an address translator near the server leaks a stray reset",
	"S19": "a proxy stopped reading after it had answered",
	"S20": "a second reset, caused by what we sent after the first",
	"S21": "the server's keepalive probes went unanswered",

	"C1": "our own kernel reset a connection that it does not know",
	"C2": "our side connected and reset at once, as scans and health checks do",
	"C3": "our side raced two connections and dropped the loser",
	"C4": "our side aborted after the answer",
	"C5": "a filter, proxy, VPN or antivirus on or next to this machine",
	"C6": "address translation near us forgot the connection",
	"C7": "an artefact of the capture, not of the network",

	"N1": "a router or host says that the target cannot be reached",
	"N2": "nothing answers: host down or no route",
	"N3": "large packets vanish: path MTU black hole",
	"N4": "the control fails as well: path or our own access is down",
	"N5": "mixed results, too few trials to decide",
}
