package main

// row is a line of a table in help and manual: what is typed or seen, and
// what it means.
type row struct{ left, right string }

// examples of each command, "" being the main one.
var examples = map[string][]row{
	"": {
		{"rstprobe example.com:443 --sni", "is this name blocked on the way to its own server?"},
		{"rstprobe 192.0.2.7:443 --sni=a.example,b.example", "other names at one address"},
		{"rstprobe example.com:443 --sni -o result.json -o packets.pcapng", "keep the result and every packet"},
		{"rstprobe explain capture.pcap", "who sent the resets in this capture, and why; sends nothing"},
	},
	"trace": {
		{"rstprobe trace example.com:443", "the path of a TLS ClientHello with that name"},
		{"rstprobe trace example.com:443 --syn", "the path of a bare SYN"},
	},
	"explain": {
		{"rstprobe explain capture.pcap", "who sent the resets, and why"},
		{"rstprobe explain client.pcap --server server.pcap", "the same traffic at both ends: what was never sent"},
		{"rstprobe explain sweep.pcap --control harmless.pcap", "a captured TTL-limited sweep: where the box stands"},
	},
	"watch": {
		{"rstprobe watch -c watch.yaml", "until it is told to stop; docs/watch.md begins with a file of three lines"},
		{"rstprobe watch --check -c watch.yaml", "is the file right?"},
	},
	"history": {
		{"rstprobe history", "the state of all checks, from rstprobe.db"},
		{"rstprobe history shop", "the changes and the last runs of one"},
		{"rstprobe history --run 17", "a run with its evidence, as JSON for rstprobe report -"},
	},
	"demo": {
		{"rstprobe demo --list", "the cases"},
		{"rstprobe demo kernel-sni-reject", "a packet filter that rejects a name, on real kernels"},
	},
	"config": {
		{"rstprobe config print-template > ~/.config/rstprobe/config.yaml", "a file to begin with"},
		{"rstprobe config check", "is everything that is set right?"},
	},
	"completion": {
		{"source <(rstprobe completion bash)", "in ~/.bashrc; zsh likewise, in ~/.zshrc behind compinit"},
		{"rstprobe completion fish > ~/.config/fish/completions/rstprobe.fish", "once"},
	},
	"man": {
		{"rstprobe man | man -l -", "read it"},
	},
	"explain-rule": {
		{"rstprobe explain-rule below-server-ttl", "why this item of evidence convinces"},
	},
}

// targetForms are the spellings of a target.
var targetForms = []row{
	{"example.com, example.com:8443", "a name; the port is 443 unless given"},
	{"192.0.2.1:443, [2001:db8::1]:443", "an address"},
	{"http://example.com/path", "port 80 and the path of the request"},
	{"example.com:443@192.0.2.1", "connect to the address, use the name"},
}

// defaultTests says what is asked if nothing is said.
const defaultTests = "Without --syn, --sni or --host: --syn, and --sni on TLS ports or --host on port 80. Flags may stand before or after targets."

// exitCodes are those of report.ExitCode and of failure.go.
var exitCodes = []row{
	{"0", "measured, nothing interferes"},
	{"1", "rstprobe itself failed"},
	{"2", "the command line or the configuration is wrong"},
	{"3", "a privilege is missing"},
	{"10", "interference found"},
	{"11", "not measurable, or inconclusive"},
	{"130", "interrupted; what was measured is written"},
}

// settingsRule says where the values of flags come from.
const settingsRule = "Every flag can be set in a configuration file by its name and in the environment as RSTPROBE_NAME, in capitals and with _ for -. " +
	"The command line counts first, then the environment, the file of the user, the file of the system, the defaults."

// configFiles are the files of settings.
var configFiles = []row{
	{"$XDG_CONFIG_HOME/rstprobe/config.yaml", "settings of a user; ~/.config stands in for the variable"},
	{systemConfigPath, "settings of all users"},
}

// variables are the environment variables, besides those of flags.
var variables = []row{
	{"RSTPROBE_CONFIG", "as --config"},
	{"NO_COLOR", "if not empty, no colours (no-color.org)"},
	{"FORCE_COLOR", "if neither empty nor 0, colours even where no terminal is, unless NO_COLOR or --no-color says otherwise"},
	{"TERM", "dumb: no colours, no progress line"},
	{"LC_ALL, LC_CTYPE, LANG", "whether text is drawn with more than ASCII"},
}
