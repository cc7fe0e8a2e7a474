package ooni

// Times of events are seconds since the beginning of their measurement. Each
// event has the TransactionID of its connection, from 1: readers take 0 for
// none, and guess by the time.

// TCPConnect is one handshake of TCP (df-005-tcpconnect).
type TCPConnect struct {
	IP            string    `json:"ip"`
	Port          int       `json:"port"`
	Status        TCPStatus `json:"status"`
	T0            float64   `json:"t0"`
	T             float64   `json:"t"`
	Tags          []string  `json:"tags"`
	TransactionID int       `json:"transaction_id"`
}

// TCPStatus says how it went.
type TCPStatus struct {
	Failure Failure `json:"failure"`
	Success bool    `json:"success"`
}

// TLSHandshake is one handshake of TLS (df-006-tlshandshake).
type TLSHandshake struct {
	Network            string        `json:"network"` // "tcp"
	Address            string        `json:"address"` // ip:port
	CipherSuite        string        `json:"cipher_suite"`
	Failure            Failure       `json:"failure"`
	SoError            Failure       `json:"so_error,omitempty"` // the ICMP error that came meanwhile
	NegotiatedProtocol string        `json:"negotiated_protocol"`
	NoTLSVerify        bool          `json:"no_tls_verify"`
	PeerCertificates   []Certificate `json:"peer_certificates"`
	ServerName         string        `json:"server_name"`
	T0                 float64       `json:"t0"`
	T                  float64       `json:"t"`
	Tags               []string      `json:"tags"`
	TLSVersion         string        `json:"tls_version"`
	TransactionID      int           `json:"transaction_id"`
}

// Certificate is one in DER.
type Certificate struct {
	Format string `json:"format"` // "base64"
	Data   string `json:"data"`
}

// NetworkEvent is one operation on a connection, or a mark between them
// (df-008-netevents).
type NetworkEvent struct {
	Address       string    `json:"address"` // ip:port, on every event: readers compare it with the handshake's
	Failure       Failure   `json:"failure"`
	NumBytes      int       `json:"num_bytes,omitempty"`
	Operation     Operation `json:"operation"`
	Proto         string    `json:"proto"` // "tcp"
	T0            float64   `json:"t0"`
	T             float64   `json:"t"`
	Tags          []string  `json:"tags"`
	TransactionID int       `json:"transaction_id"`
}

// Operation is what an event is about, or the step that failed.
type Operation string

// The operations. The last four are steps of a test, never events.
const (
	Connect      Operation = "connect"
	Read         Operation = "read"
	Write        Operation = "write"
	TLSStart     Operation = "tls_handshake_start"
	TLSDone      Operation = "tls_handshake_done" // at the T of the handshake
	Resolve      Operation = "resolve"
	TLSHandshook Operation = "tls_handshake"
	RoundTrip    Operation = "http_round_trip"
	TopLevel     Operation = "top_level"
)

// Query is one look-up of a name (df-002-dnst).
type Query struct {
	Answers          []Answer `json:"answers"`
	Engine           string   `json:"engine"`
	Failure          Failure  `json:"failure"`
	Hostname         string   `json:"hostname"`
	QueryType        string   `json:"query_type"`
	ResolverHostname *string  `json:"resolver_hostname"`
	ResolverPort     *string  `json:"resolver_port"`
	ResolverAddress  string   `json:"resolver_address"`
	T0               float64  `json:"t0"`
	T                float64  `json:"t"`
	Tags             []string `json:"tags"`
	TransactionID    int      `json:"transaction_id"`
}

// Answer is one answer to a query.
type Answer struct {
	AnswerType string `json:"answer_type"` // A or AAAA
	IPv4       string `json:"ipv4,omitempty"`
	IPv6       string `json:"ipv6,omitempty"`
	TTL        *int   `json:"ttl"` // nil: not known
}

// Request is one request of HTTP (df-001-httpt).
type Request struct {
	Network       string       `json:"network"` // "tcp"
	Address       string       `json:"address"` // ip:port
	ALPN          string       `json:"alpn"`
	Failure       Failure      `json:"failure"`
	Request       HTTPRequest  `json:"request"`
	Response      HTTPResponse `json:"response"`
	T0            float64      `json:"t0"`
	T             float64      `json:"t"`
	Tags          []string     `json:"tags"`
	TransactionID int          `json:"transaction_id"`
}

// HTTPRequest is what was asked.
type HTTPRequest struct {
	Body            string            `json:"body"`
	BodyIsTruncated bool              `json:"body_is_truncated"`
	HeadersList     [][2]string       `json:"headers_list"`
	Headers         map[string]string `json:"headers"`
	Method          string            `json:"method"`
	Tor             Tor               `json:"tor"`
	Transport       string            `json:"x_transport"` // "tcp"
	URL             string            `json:"url"`
}

// Tor says that a request did not go through Tor.
type Tor struct {
	ExitIP   *string `json:"exit_ip"`
	ExitName *string `json:"exit_name"`
	IsTor    bool    `json:"is_tor"`
}

// HTTPResponse is what was answered.
type HTTPResponse struct {
	Body            string            `json:"body"`
	BodyIsTruncated bool              `json:"body_is_truncated"`
	Code            int               `json:"code"` // 0: no answer
	HeadersList     [][2]string       `json:"headers_list"`
	Headers         map[string]string `json:"headers"`
}
