package diagnosis

import (
	"cmp"
	"time"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// Step is one of the questions that a diagnosis asks the network on its way
// to an answer.
type Step string

// The steps, in the order in which they are usually taken.
const (
	StepPath      Step = "path"
	StepOtherPort Step = "other_port"
	StepControls  Step = "controls"
	StepTests     Step = "tests"
	StepTransfers Step = "transfers"
	StepLocate    Step = "locate"
	StepWays      Step = "ways"
	StepForms     Step = "forms"
	StepHold      Step = "hold"
	StepWait      Step = "wait"
)

// stepText is for people.
var stepText = map[Step]struct{ doing, question, how string }{
	StepPath: {
		"looking for the path", "do connections stand, and which way do packets take?",
		"bare SYNs, some whole and one copy per TTL",
	},
	StepOtherPort: {
		"comparing with another port", "is it the port, the address or the host?",
		"bare SYNs to another port of it, and to the control address, one copy per TTL",
	},
	StepControls: {
		"asking harmless names", "does the server answer as long as nothing is wrong with the name?",
		"a harmless name, a random one and none, before the test name is ever said",
	},
	StepTests: {
		"asking the test name", "what becomes of the test name?",
		"control and test in turn, in random order, alike but for the name",
	},
	StepTransfers: {
		"fetching whole answers", "is the answer as long and as fast as it should be?",
		"whole answers to control and test, side by side",
	},
	StepLocate: {
		"locating", "who does it, and where on the path?",
		"copies of the stimulus that end before the server, one per TTL, and what tells a box from the server",
	},
	StepWays: {
		"looking for other ways", "is there more than one way to the server?",
		"bare SYNs from several source ports, one copy per TTL",
	},
	StepForms: {
		"varying what is sent", "what exactly triggers?",
		"the name written, cut and carried in several ways, each with a control of the same form",
	},
	StepHold: {
		"measuring how long it blocks", "how long does the block last?",
		"harmless connections after growing pauses",
	},
	StepWait: {
		"waiting for a block to end", "is an earlier block over?",
		"nothing is sent, since any packet might prolong it",
	},
}

// Doing is what the step does, as a few words for a progress display; the
// step's own word where there are none.
func (s Step) Doing() string { return cmp.Or(stepText[s].doing, string(s)) }

// Question is what the step wants to know; likewise.
func (s Step) Question() string { return cmp.Or(stepText[s].question, string(s)) }

// How is how the step asks; "" for an unknown step.
func (s Step) How() string { return stepText[s].how }

// Progress is how far a diagnosis has come.
type Progress struct {
	Step    Step
	Kind    probe.Kind       // of the test; "" for the steps that serve all of them
	Name    string           // of the test; "" for a SYN
	Pause   time.Duration    // how long nothing will be sent, from now on; 0: packets are under way
	Share   float64          // of the foreseeable steps that is done, 0 … 1; never falls
	Packets int              // sent so far
	Hops    []traceroute.Hop // heard of so far, by TTL
}

// StepTaken is a step as it was carried out, all its times together.
type StepTaken struct {
	Step    Step
	Kind    probe.Kind // as in Progress
	Name    string
	Trials  int
	Packets int // sent
	Took    time.Duration
}

// steps keeps account of the steps of a session.
type steps struct {
	now   int // index of the current one in Result.Steps
	since time.Time
	share float64
}

// begin goes on to a step for a question; the zero Question is all of them.
func (s *session) begin(step Step, q Question) { s.pause(step, q, 0) }

// begin goes on to a step for this question.
func (n *nameQuestion) begin(step Step) { n.session.begin(step, n.q) }

// pause goes on to a step that begins with waiting. What is returned goes back
// to the step before it.
func (s *session) pause(step Step, q Question, wait time.Duration) (back func()) {
	before := s.steps.now
	s.turn(StepTaken{Step: step, Kind: q.Kind, Name: q.Name})
	s.report(wait)
	return func() { s.turn(s.res.Steps[before]) }
}

// turn makes a step the current one, be it new or taken up again.
func (s *session) turn(to StepTaken) {
	s.clock()
	for i, old := range s.res.Steps {
		if old.Step == to.Step && old.Kind == to.Kind && old.Name == to.Name {
			s.steps.now = i
			return
		}
	}
	s.steps.now = len(s.res.Steps)
	s.res.Steps = append(s.res.Steps, to)
}

// clock adds the time since it was last called to the current step.
func (s *session) clock() {
	now := time.Now()
	if len(s.res.Steps) > 0 {
		s.res.Steps[s.steps.now].Took += now.Sub(s.steps.since)
	}
	s.steps.since = now
}

// ahead is how many steps of a question come before a step, as a rule.
var ahead = map[Step]int{StepControls: 0, StepTests: 1, StepTransfers: 2, StepLocate: 2, StepForms: 3}

// report tells Config.Progress where the diagnosis is.
func (s *session) report(wait time.Duration) {
	step := s.res.Steps[s.steps.now]
	each := len(ahead) - 2
	if s.cfg.Characterize {
		each++
	}
	if before, ok := ahead[step.Step]; ok {
		share := float64(1+each*len(s.res.Tests)+before) / float64(1+each*len(s.cfg.Questions))
		s.steps.share = max(s.steps.share, min(share, 1))
	}
	s.cfg.Progress(Progress{
		Step: step.Step, Kind: step.Kind, Name: step.Name, Pause: wait, Share: s.steps.share, Packets: s.res.PacketsSent,
		Hops: traceroute.Merge(s.serverTTL(), s.cfg.MaxTTL, s.synSweep, s.control, s.test).Hops,
	})
}
