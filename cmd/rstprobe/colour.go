package main

// mayColour reports whether a stream may be coloured; off is --no-color. By
// no-color.org and force-color.org, of which the first counts more.
func mayColour(terminal, off bool, getenv func(string) string) bool {
	if off || getenv("NO_COLOR") != "" {
		return false
	}
	if force := getenv("FORCE_COLOR"); force != "" {
		return force != "0" && force != "false"
	}
	return terminal && getenv("TERM") != "dumb"
}

// colour reports whether the result on standard output may be coloured.
func (p *program) colour(off bool) bool { return mayColour(p.stdoutTTY, off, p.sys.getenv) }

// alarm is the name of the program in front of an error: red where standard
// error may be coloured.
func (p *program) alarm() string {
	const name = "rstprobe:"
	if !mayColour(p.stderrTTY, p.noColor, p.sys.getenv) {
		return name
	}
	return "\x1b[1;31m" + name + "\x1b[0m"
}
