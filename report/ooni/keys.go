package ooni

// Failure is why something failed, in the words of df-007-errors; nil: it did
// not.
type Failure = *string

// Extra is what stands under x_rstprobe: what the format has no place for.
type Extra = any

// URLGetter are the keys of one attempt (ts-027-urlgetter).
type URLGetter struct {
	Agent           string         `json:"agent"`            // "agent": redirects would not be followed
	FailedOperation *Operation     `json:"failed_operation"` // nil: none failed
	Failure         Failure        `json:"failure"`
	NetworkEvents   []NetworkEvent `json:"network_events"`
	Queries         []Query        `json:"queries"`
	Requests        []Request      `json:"requests"`
	TCPConnect      []TCPConnect   `json:"tcp_connect"`
	TLSHandshakes   []TLSHandshake `json:"tls_handshakes"`
	Extra           Extra          `json:"x_rstprobe,omitempty"` // nil: it stands beside the comparison that this is a side of
}

// SNIBlocking are the keys of a comparison of two server names
// (ts-024-sni-blocking).
type SNIBlocking struct {
	Control Side   `json:"control"`
	Target  Side   `json:"target"`
	Result  Result `json:"result"`
	Extra   Extra  `json:"x_rstprobe"`
}

// Side is one of the two names.
type Side struct {
	URLGetter
	SNI       string `json:"sni"`
	THAddress string `json:"th_address"` // ip:port that it was sent to
}

// Result sums a comparison up.
type Result string

// The results.
const (
	GotServerHello     Result = "success.got_server_hello"
	InterferenceReset  Result = "interference.reset"
	InterferenceClosed Result = "interference.closed"
	AnomalyTimeout     Result = "anomaly.timeout"
	AnomalyTestHelper  Result = "anomaly.test_helper_unreachable"
	AnomalyUnexpected  Result = "anomaly.unexpected_failure"
)

// TLSMiddlebox are the keys of a trace with a ClientHello
// (ts-037-tlsmiddlebox).
type TLSMiddlebox struct {
	Queries        []Query      `json:"queries"`
	TCPConnect     []TCPConnect `json:"tcp_connect"`
	IterativeTrace []Trace      `json:"iterative_trace"`
	Extra          Extra        `json:"x_rstprobe"`
}

// Trace is that to one address.
type Trace struct {
	Address      string    `json:"address"` // ip:port
	ControlTrace NameTrace `json:"control_trace"`
	TargetTrace  NameTrace `json:"target_trace"`
}

// NameTrace is a trace with one server name.
type NameTrace struct {
	ServerName string      `json:"server_name"`
	Iterations []Iteration `json:"iterations"` // ascending by TTL, as far as the first success or reset
}

// Iteration is one TTL of it.
type Iteration struct {
	TTL       int          `json:"ttl"`
	Handshake TLSHandshake `json:"handshake"`
	Extra     Extra        `json:"x_rstprobe"`
}

// PortFiltering are the keys of a test of ports (ts-038-port-filtering).
type PortFiltering struct {
	TCPConnect []TCPConnect `json:"tcp_connect"`
	Extra      Extra        `json:"x_rstprobe"`
}

func (URLGetter) experiment() (name, version string)     { return "urlgetter", "0.2.0" }
func (SNIBlocking) experiment() (name, version string)   { return "sni_blocking", "0.3.0" }
func (TLSMiddlebox) experiment() (name, version string)  { return "tlsmiddlebox", "0.1.2" }
func (PortFiltering) experiment() (name, version string) { return "portfiltering", "0.1.0" }

// Compare is a comparison with its result, as probe-cli has it.
func Compare(control, target Side) SNIBlocking {
	return SNIBlocking{Control: control, Target: target, Result: result(control.Failure, target.Failure)}
}

func result(control, target Failure) Result {
	if target == nil {
		return GotServerHello
	}
	switch *target {
	case "connection_refused":
		return AnomalyTestHelper
	case "connection_reset":
		return InterferenceReset
	case "eof_error":
		return InterferenceClosed
	case "generic_timeout_error":
		if control != nil {
			return AnomalyTestHelper
		}
		return AnomalyTimeout
	}
	return AnomalyUnexpected
}
