package probe

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// moreRuleCases are those of TestRules that need findings of several kinds.
func moreRuleCases() map[RuleID][]ruleCase {
	whole := fetched(40000, 50000, closedShort)
	cutAt := func(n int, end func(*script) *script) Findings {
		return with(about(fetched(40000, n, end)), func(f *Findings) { f.Kind, f.Leading, f.Trailing = Host, times(3, whole), times(3, whole) })
	}
	below := ReadSweep{Reader: ReadFIN, ServerTTL: 7, Rounds: 3, At: 3, After: 2, Votes: 3, Controls: 18, Packets: []int{7}}
	read := func(change func(*ReadSweep)) Findings {
		r := below
		change(&r)
		return reading(r)
	}
	unrepeated := func() *script { return begin(false).syn().synack().copies(6).silent() }
	repeating := func() *script { return begin(false).syn().synack().copies(6).wait(time.Second).synack() }
	// halfway are tests of which all readers see the SYN-ACK again behind
	// control copies, and some behind test copies.
	halfway := func(again, all int) Findings {
		return with(about(dropped()), func(f *Findings) {
			f.HalfwayControl = times(3, repeating())
			f.Halfway = append(times(again, repeating()), times(all-again, unrepeated())...)
		})
	}
	triple := func(gap time.Duration, changes ...[]change) *script {
		s := asking().wait(rtt / 4)
		for i, c := range changes {
			s.rst(100*i, c...).wait(gap)
		}
		return s
	}
	return map[RuleID][]ruleCase{
		"read-below-server-ttl": {
			{"another end from TTL 3 on", read(func(*ReadSweep) {}), true},
			{"only at the server", read(func(r *ReadSweep) { r.At = 7 }), false},
			{"rounds do not agree", read(func(r *ReadSweep) { r.Votes = 1 }), false},
			{"one control of many lost", read(func(r *ReadSweep) { r.ControlBad = 1 }), true},
			{"next to the server, in every round", read(func(r *ReadSweep) { r.At = 6 }), true},
			{"next to the server, and one round differs: two packets lost look so", read(func(r *ReadSweep) { r.At, r.Votes = 6, 2 }), false},
			{"controls fare as badly", read(func(r *ReadSweep) { r.ControlBad = 5 }), false},
			{"the server fails now and then, whatever the name", with(read(func(*ReadSweep) {}), func(f *Findings) {
				f.Tests = append(times(4, stalled()), times(16, served())...)
				f.Trailing = append(times(2, stalled()), times(11, served())...)
			}), false},
			{"no control read", read(func(r *ReadSweep) { r.Controls = 0 }), false},
			{"not read", about(stalled()), false},
		},
		"synack-stops": {
			{"it stops behind every test copy", halfway(0, 3), true},
			{"lost behind a control copy, once of four", with(halfway(0, 3), func(f *Findings) {
				f.HalfwayControl = append(times(3, repeating()), unrepeated().observe())
			}), true},
			{"it goes on", halfway(3, 3), false},
			{"it goes on behind one of four", with(halfway(0, 3), func(f *Findings) { f.Halfway = append(f.Halfway, repeating().observe()) }), false},
			{"any name fails", with(halfway(0, 3), func(f *Findings) { f.Leading = times(3, dropped()) }), false},
			{"a server that never repeats it", with(halfway(0, 3), func(f *Findings) { f.HalfwayControl = times(3, unrepeated()) }), false},
			{"two tests only", halfway(0, 2), false},
			{"no connection to tell from", with(halfway(0, 3), func(f *Findings) { f.Halfway = times(3, begin(false).syn().silent()) }), false},
		},
		"reset-in-our-name": {
			{"the server had been reset", read(func(r *ReadSweep) { r.ServerReset = true }), true},
			{"silence", read(func(*ReadSweep) {}), false},
			{"after copies that can reach it, too", read(func(r *ReadSweep) { r.ServerReset, r.At = true, 7 }), false},
			{"the tests are reset from as far as the server: its answer may be rewritten", with(read(func(r *ReadSweep) { r.ServerReset = true }), func(f *Findings) { f.Tests = times(3, unwanted()) }), false},
			{"a server that resets idle connections", read(func(r *ReadSweep) { r.ServerReset, r.ControlBad = true, 9 }), false},
		},
		"segmentation-flips": {
			{"cut it is served", split(unwanted(), served()), true},
			{"cut it fails as well", split(unwanted(), unwanted()), false},
			{"cut it is served now and then", with(split(unwanted(), served()), func(f *Findings) { f.Split[1] = unwanted().observe() }), false},
			{"whole it is served now and then", with(split(unwanted(), served()), func(f *Findings) { f.Tests[1] = served().observe() }), false},
			{"a limiter that let go since", with(split(unwanted(), served()), func(f *Findings) { f.Trailing = times(3, unwanted()) }), false},
			{"not asked", about(unwanted()), false},
		},
		"id-window-algebra": {
			{"two packets of a public capture", mixed(
				resetAfter(rtt, id(45711), window(1576), addresses), resetAfter(rtt, id(45780), window(1541), addresses), resetAfter(rtt, id(47371), window(1503), addresses)), true},
			{"one of them over and over", about(resetAfter(rtt, id(45711), window(1576), addresses)), false},
			{"one of them, from another distance", about(resetAfter(rtt, id(45711), window(1576), addresses, ttl(201))), true},
			{"one of them off by one", mixed(resetAfter(rtt, id(45712), window(1576), addresses), resetAfter(rtt, id(45781), window(1541), addresses)), false},
			{"no window", mixed(resetAfter(rtt, id(1), addresses), resetAfter(rtt, id(2), addresses)), false},
			{"IPv6", about(begin(true).syn().synack().ask(asked).wait(rtt).rst(0, window(1576))), false},
		},
		"ack-beyond-sent": {
			{"a window ahead", about(asking().wait(rtt).get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1 + 1460), Flags: packet.RST | packet.ACK})), true},
			{"what we sent", about(asking().wait(rtt).get(abortAt(0))), false},
			{"less", about(acceptedAndReset()), false},
			{"no ACK flag, so the field means nothing", about(resetAfter(rtt, garbage)), false},
		},
		"ttl-copied": {
			{"always six fewer", sloped(func(n uint8) uint8 { return n - 6 }, 60, 56, 52), true},
			{"a fixed initial TTL", sloped(func(uint8) uint8 { return 58 }, 60, 56, 52), false},
			{"too close together to say", sloped(func(n uint8) uint8 { return n - 6 }, 63, 62), false},
			{"half a slope", sloped(func(n uint8) uint8 { return n / 2 }, 60, 56, 52), false},
			{"not asked", about(forged()), false},
		},
		"ttl-random": {
			{"a value each", mixed(resetAfter(rtt, ttl(201)), resetAfter(rtt, ttl(77)), resetAfter(rtt, ttl(128))), true},
			{"one value", about(resetAfter(rtt, ttl(201))), false},
			{"two paths to a load balancer", mixed(resetAfter(rtt, ttl(ownTTL)), resetAfter(rtt, ttl(ownTTL+4)), resetAfter(rtt, ttl(ownTTL))), false},
			{"genuine resets spread as far", with(mixed(resetAfter(rtt, ttl(50)), resetAfter(rtt, ttl(54)), resetAfter(rtt, ttl(62))), func(f *Findings) {
				f.Stray = append(times(1, stray(ttl(50))), times(1, stray(ttl(62)))...)
			}), false},
			{"a slope is no chance", sloped(func(n uint8) uint8 { return n - 6 }, 60, 56, 52), false},
		},
		"id-constant": {
			{"one value, where the host sends zero", with(about(resetAfter(rtt, id(1536))), genuinely(stray())), true},
			{"the host's genuine resets have it, too", with(about(resetAfter(rtt, id(1536))), genuinely(stray(id(1536)))), false},
			{"nothing to compare with", about(resetAfter(rtt, id(1536))), false},
			{"zero", with(about(unwanted()), genuinely(stray(id(7)))), false},
			{"two flows only", with(mixed(resetAfter(rtt, id(1536)), resetAfter(rtt, id(1536))), genuinely(stray())), false},
		},
		"id-breaks-counter": {
			{"far off the count", counting(func(uint16) uint16 { return 30000 }), true},
			{"part of the count", counting(func(next uint16) uint16 { return next }), false},
			{"a host that counts by flow", about(resetAfter(rtt, id(30000))), false},
			{"packets are not numbered", with(counting(func(uint16) uint16 { return 30000 }), func(f *Findings) {
				f.Leading, f.Random, f.Trailing = nil, nil, nil
			}), false},
		},
		"window-unlike-genuine": {
			{"a window, where the host sends none", with(about(resetAfter(rtt, window(512))), genuinely(stray())), true},
			{"the host sends one, too", with(about(resetAfter(rtt, window(512))), genuinely(stray(window(229)))), false},
			{"nothing to compare with", about(resetAfter(rtt, window(512))), false},
			{"an abort, which has the window of the connection", with(about(asking().wait(rtt).get(abortAt(0), window(512))), genuinely(stray())), false},
		},
		"df-unlike-genuine": {
			{"not set, where the host sets it", with(about(unwanted()), genuinely(stray(df))), true},
			{"set, where the host does not", with(about(resetAfter(rtt, df)), genuinely(stray())), true},
			{"set by both", with(about(resetAfter(rtt, df)), genuinely(stray(df))), false},
			{"the host does this and that", with(about(resetAfter(rtt, df)), func(f *Findings) { f.Stray = append(times(1, stray(df)), stray().observe()) }), false},
			{"IPv6 has none", with(about(begin(true).syn().synack().ask(asked).wait(rtt).rst(0)), genuinely(stray(df))), false},
		},
		"reserved-bits": {
			{"set", about(resetAfter(rtt, reserved)), true},
			{"not set", about(unwanted()), false},
			{"the host sets them, too", with(about(resetAfter(rtt, reserved)), genuinely(stray(reserved))), false},
		},
		"reset-payload": {
			{"ten bytes", about(resetAfter(rtt, payloadOf("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x00"))), true},
			{"none", about(unwanted()), false},
			{"the host explains itself, too", with(about(resetAfter(rtt, payloadOf("go away"))), genuinely(stray(payloadOf("no such connection")))), false},
		},
		"ack-without-flag": {
			{"a number", with(about(resetAfter(rtt, garbage)), genuinely(stray())), true},
			{"zero", with(about(unwanted()), genuinely(stray())), false},
			{"the host leaves garbage, too", with(about(resetAfter(rtt, garbage)), genuinely(stray(garbage))), false},
			{"an abort has the flag", with(about(asking().wait(rtt).get(abortAt(0))), genuinely(stray())), false},
		},
		"more-resets-than-causes": {
			{"three for one packet", about(asking().wait(rtt).rst(0).rst(1).rst(2)), true},
			{"an abort, and the answer to our packet", about(asking().wait(rtt).get(abortAt(0)).rst(0)), false},
			{"three copies of one", about(asking().wait(rtt).rst(0).rst(0).rst(0)), false},
			{"one for each time that we sent it", about(asking().wait(rtt).again().again().rst(0).wait(rtt).rst(0).wait(rtt).rst(0)), false},
			{"refused SYNs", about(begin(false).syn().refusal().wait(rtt).refusal()), false},
		},
		"rewritten-answer": {
			{"in the places of two segments", about(asking().wait(rtt).get(abortAt(0)).get(abortAt(1460))), true},
			{"again, a timeout later", about(asking().wait(rtt).get(abortAt(0)).wait(300 * time.Millisecond).get(abortAt(0))), true},
			{"an abort, and the answer to a late packet", about(asking().wait(rtt).get(abortAt(10)).wait(300 * time.Millisecond).rst(0)), false},
			{"twice at once", about(asking().wait(rtt).get(abortAt(0)).get(abortAt(0))), false},
			{"from another distance", about(asking().wait(rtt).get(abortAt(0), ttl(boxTTL)).get(abortAt(1460), ttl(boxTTL))), false},
		},
		"rising-burst": {
			{"TTLs rise", about(triple(100*time.Microsecond, []change{ttl(100)}, []change{ttl(103)}, []change{ttl(104)})), true},
			{"windows rise", about(triple(100*time.Microsecond, []change{window(100)}, []change{window(101)}, []change{window(102)})), true},
			{"two of a kernel's", about(triple(time.Microsecond, []change{window(100)}, []change{window(101)})), false},
			{"alike", about(triple(100*time.Microsecond, nil, nil, nil)), false},
			{"over unequal paths", about(triple(100*time.Microsecond, []change{ttl(ownTTL)}, []change{ttl(ownTTL + 1)}, []change{ttl(ownTTL + 2)})), false},
			{"not a burst", about(triple(10*time.Millisecond, []change{window(100)}, []change{window(101)}, []change{window(102)})), false},
		},
		"fails-after-test": {
			{"controls fail after it, and recover", history("ccc|TCTCTC|cc"), true},
			{"again after the next test", history("ccc|TCCcTCC|c"), true},
			{"controls go on", history("ccc|TcTcTc|cc"), false},
			{"and do not recover", history("ccc|TCTCTC|CC"), false},
			{"one lost", history("ccc|TcTCTc|cc"), false},
			{"a limiter that strikes after a test was served", history("ccc|tcTCTC|cc"), false},
			{"a limiter that strikes before the first test", history("ccc|CTCTCT|cc"), false},
		},
		"fails-by-count": {
			{"from the seventh on", history("ccc|tctTCC|"), true},
			{"until it recovers", history("ccc|tctTCTC|cc"), true},
			{"the test name was never served", history("ccc|TCTCTC|cc"), false},
			{"now and then", history("ccc|tCtcTC|"), false},
			{"only tests fail", history("ccc|tcTcTc|"), false},
			{"a test is served in between", history("ccc|tcTCtC|"), false},
		},
		"cut-at-volume": {
			{"after 16 KiB, then silence", cutAt(16384, quiet), true},
			{"after 16 KiB, with a reset", cutAt(16384, resetShort), true},
			{"after 16 KiB, with a close", cutAt(16384, closedShort), true},
			{"still coming when we stop listening", cutAt(16384, running), false},
			{"here and there", with(cutAt(16384, quiet), func(f *Findings) { f.Tests[1] = fetched(40000, 30000, quiet).observe() }), false},
			{"the controls are cut as well", with(cutAt(16384, quiet), func(f *Findings) { f.Trailing = times(3, fetched(40000, 16384, quiet)) }), false},
			{"nothing is missing", cutAt(50000, quiet), false},
			{"the length was not announced", about(stalled()), false},
		},
		"slower-than-control": {
			{"ten times", with(about(slow(20000, 10*time.Millisecond)), func(f *Findings) { f.Trailing = times(3, slow(20000, time.Millisecond)) }), true},
			{"as fast", with(about(slow(20000, time.Millisecond)), func(f *Findings) { f.Trailing = times(3, slow(20000, time.Millisecond)) }), false},
			{"one control is as slow", with(about(slow(20000, 10*time.Millisecond)), func(f *Findings) {
				f.Trailing = append(times(2, slow(20000, time.Millisecond)), slow(20000, 10*time.Millisecond).observe())
			}), false},
			{"too little to say", with(about(slow(4000, 10*time.Millisecond)), func(f *Findings) { f.Trailing = times(3, slow(20000, time.Millisecond)) }), false},
		},
		"acks-vanish": {
			{"repeated twice", about(deaf(2)), true},
			{"one acknowledgment lost", about(deaf(1)), false},
			{"the controls, too", with(about(deaf(2)), func(f *Findings) { f.Trailing = times(3, deaf(2)) }), false},
			{"we did not acknowledge it", about(asking().wait(rtt).data(0, hello).wait(300*time.Millisecond).data(0, hello).wait(300*time.Millisecond).data(0, hello)), false},
		},
		"flags-unlike-genuine": {
			{"an ACK flag, where the host sends none", with(about(resetAfter(rtt, flags(packet.RST|packet.ACK))), genuinely(stray())), true},
			{"alike", with(about(unwanted()), genuinely(stray())), false},
			{"nothing to compare with", about(unwanted()), false},
		},
		"options-unlike-genuine": {
			{"none, where the host sends some", with(about(unwanted()), genuinely(stray(optionsOf(1, 1)))), true},
			{"none at all", with(about(unwanted()), genuinely(stray())), false},
			{"an abort is of another kind", with(about(asking().wait(rtt).get(abortAt(0))), genuinely(stray(optionsOf(1, 1)))), false},
		},
		"late-reset": {
			{"300 ms", about(resetAfter(300 * time.Millisecond)), true},
			{"a round trip", about(unwanted()), false},
			{"a busy server", about(resetAfter(2 * rtt)), false},
		},
		"acknowledged-then-silent": {
			{"muted", about(stalled()), true},
			{"never acknowledged", about(dropped()), false},
			{"the controls as well", with(about(stalled()), func(f *Findings) { f.Leading = times(3, stalled()) }), false},
			{"an answer that was broken off", cutAt(16384, quiet), false},
		},
		"genuine-reset": {
			{"field by field", with(about(resetAfter(rtt, df)), genuinely(stray(df))), true},
			{"another TTL", with(about(resetAfter(rtt, df, ttl(boxTTL))), genuinely(stray(df))), false},
			{"another window", with(about(resetAfter(rtt, df, window(9))), genuinely(stray(df))), false},
			{"an identification, where the host sends zero", with(about(resetAfter(rtt, df, id(9))), genuinely(stray(df))), false},
			{"sooner than a round trip", with(about(resetAfter(rtt/4, df)), genuinely(stray(df))), false},
			{"one of three does not fit", with(mixed(unwanted(), unwanted(), resetAfter(rtt, window(9))), genuinely(stray())), false},
			{"nothing to compare with", about(unwanted()), false},
		},
		"closing-talk": {
			{"a close before it", about(closed().rst(1)), true},
			{"an alert before it", about(alerted().rst(len(alertText))), true},
			{"an error page before it", about(asking().wait(rtt).data(0, blockPage).rst(len(blockPage))), true},
			{"a page before it", about(asking().wait(rtt).data(0, page).rst(len(page))), false},
			{"a close from another distance", about(asking().wait(rtt).fin(0, ttl(boxTTL)).rst(1)), false},
			{"a close behind it", about(unwanted().fin(0)), false},
		},
		"answers-late-data": {
			{"we went on after its close", about(lateData(packet.Segment{Seq: theirISS.Add(2), Flags: packet.RST})), true},
			{"an abort after its close", about(lateData(packet.Segment{Seq: theirISS.Add(2), Ack: ourISS.Add(1 + len(asked)), Flags: packet.RST | packet.ACK})), false},
			{"no close before", about(unwanted()), false},
			{"other numbers", about(lateData(packet.Segment{Seq: theirISS.Add(99), Flags: packet.RST})), false},
		},
		"small-passes": {
			{"small segments are served", with(about(dropped()), func(f *Findings) { f.Leading, f.Small = times(3, dropped()), times(3, served()) }), true},
			{"they are lost as well", with(about(dropped()), func(f *Findings) { f.Leading, f.Small = times(3, dropped()), times(3, dropped()) }), false},
			{"large ones are served, too", with(about(dropped()), func(f *Findings) { f.Small = times(3, served()) }), false},
			{"large ones are reset", with(about(unwanted()), func(f *Findings) { f.Leading, f.Small = times(3, unwanted()), times(3, served()) }), false},
		},
	}
}

// split are findings with the stimulus cut in two.
func split(whole, cut *script) Findings {
	return with(about(whole), func(f *Findings) { f.Split = times(3, cut) })
}

// lateData is a server that closes, hears our acknowledgment, and says rst.
func lateData(rst packet.Segment) *script {
	s := closed()
	s.acknowledge(2)
	return s.wait(rtt).get(rst)
}
