package payload

// Shape is the look of a ClientHello.
type Shape string

// The shapes.
const (
	Plain   Shape = "plain"   // our own: TLS 1.3 and 1.2, X25519, about 300 bytes, one segment
	Chrome  Shape = "chrome"  // a Chrome of the time before post-quantum shares, so that it fits one segment
	Firefox Shape = "firefox" // a Firefox, likewise
)
