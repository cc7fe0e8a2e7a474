package probe

import "fmt"

// failsAfterTest: the controls were served until a test name had been sent,
// failed then, and are served again.
func failsAfterTest(f *Findings) *Evidence {
	said, bad, recovered := false, 0, 0
	for _, t := range f.inOrder() {
		switch {
		case t.test && t.good, !t.test && !t.good && !said:
			return nil // it failed before, or the name does no harm
		case t.test:
			said, recovered = true, 0
		case !t.good:
			bad, recovered = bad+1, 0
		case bad > 0:
			recovered++
		}
	}
	if bad < 2 || recovered == 0 {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%d controls failed after the first test and none before it; the last %d are served again", bad, recovered)}
}

// failsByCount: everything works up to some trial and nothing from then on,
// whatever is asked; in the end it may recover.
func failsByCount(f *Findings) *Evidence {
	goodTests, badTests, badControls, good, recovered := 0, 0, 0, 0, 0
	for _, t := range f.inOrder() {
		failing := badTests+badControls > 0
		switch {
		case t.good && t.test && failing, !t.good && recovered > 0:
			return nil // now and then
		case t.good && failing:
			recovered++
		case t.good:
			good++
			if t.test {
				goodTests++
			}
		case t.test:
			badTests++
		default:
			badControls++
		}
	}
	if goodTests == 0 || badTests == 0 || badControls == 0 || badTests+badControls < 3 {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("the first %d trials are served, %d with the test name among them; the next %d fail, %d controls among them", good, goodTests, badTests+badControls, badControls)}
}
