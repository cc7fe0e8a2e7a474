package probe

// Reasons are what the rules of evidence say about findings, short of a
// verdict: for connections that nobody planned as trials, as in a capture of
// other people's traffic.
type Reasons struct {
	ForBox    []Evidence // that it was not the server
	ForServer []Evidence
}

// Reasons runs all rules over the findings.
func (f Findings) Reasons() Reasons {
	it := f.evidence()
	return Reasons{ForBox: it.forBox, ForServer: it.forServer}
}
