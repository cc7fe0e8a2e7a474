package probe

import (
	"fmt"
	"strings"
)

func nameDiffers(f *Findings) *Evidence {
	outcome, _ := f.ending()
	if !f.served() || !enough(f.Failed(), len(f.Tests)) || len(f.Random) == 0 || count(f.Random, worked) < len(f.Random) {
		return nil
	}
	names := []string{fmt.Sprintf("controls %d of %d", count(f.controls(), worked), len(f.controls())), fmt.Sprintf("a random name %d of %d", count(f.Random, worked), len(f.Random))}
	if len(f.NoName) > 0 {
		names = append(names, fmt.Sprintf("no name %d of %d", count(f.NoName, worked), len(f.NoName)))
	}
	return &Evidence{Detail: fmt.Sprintf("%s %d of %d; served: %s", outcome, f.Failed(), len(f.Tests), strings.Join(names, ", "))}
}

func unknownNamesAlike(f *Findings) *Evidence {
	outcome, _ := f.ending()
	alike := count(f.Random, func(o Observation) bool { return o.Outcome == outcome })
	if outcome == OK || !enough(alike, len(f.Random)) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%s for a random name in %d of %d trials", outcome, alike, len(f.Random))}
}

func controlsAlike(f *Findings) *Evidence {
	outcome, _ := f.ending()
	alike := count(f.Leading, func(o Observation) bool { return o.Outcome == outcome })
	if outcome == OK || !enough(alike, len(f.Leading)) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%s in %d of %d controls before the test name was sent", outcome, alike, len(f.Leading))}
}

func tlsAlert(f *Findings) *Evidence {
	var e Evidence
	for _, o := range f.Tests {
		if o.Outcome == Alert && len(o.Data) > 0 {
			e.Packets = append(e.Packets, o.Data[0].N)
			e.Detail = o.Reply.String()
		}
	}
	if !enough(len(e.Packets), len(f.Tests)) {
		return nil
	}
	return &e
}
