//go:build !portable

package cases_test

import (
	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
)

// onThisSystem checks a diagnosis by the ordinary sockets of this build.
func onThisSystem(c cases.Case, r diagnosis.Result) []string { return c.CheckOnSockets(r) }
