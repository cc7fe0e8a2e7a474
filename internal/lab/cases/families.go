package cases

import "slices"

// Family is a group of cases, for people to read.
type Family struct {
	Name  string
	Doc   string // one sentence
	Cases []Case
}

// Families are All, in groups, and ThirdParty, IPv4.
func Families() []Family {
	placed := func(models []model) []Case {
		var all []Case
		for _, m := range models {
			all = append(all, m.at(middle, routers, false))
		}
		return all
	}
	return []Family{
		{"Boxes on names", "They act on a name in the first data packet.", placed(asked(nameModels()))},
		{"Looks", "Taps whose resets look odd, or like somebody else's.", placed(asked(lookModels()))},
		{"Answers", "Boxes that answer just as the server would, and sooner than it can.", placed(asked(answerModels()))},
		{"Silence", "Boxes that let the name pass and act on what follows.", placed(asked(silenceModels()))},
		{"Memory", "Boxes that remember whom they have reset.", placed(asked(memoryModels()))},
		{"Handshake", "Boxes that act on the handshake, whatever would follow.", placed(synModels())},
		{"Paths", "Paths that are no plain chain, routers that say little, and several boxes on one path.", slices.Concat(silent(), paths(false))},
		{"Innocent twins", "Servers and networks that look like interference and are none.", twins(false)},
		{"Kernel", "The packet filter of a real router.", placed(kernelModels())},
		{"Third party", "Programs that are not ours, as boxes and as servers.", ThirdParty(false)},
	}
}
