package main

import (
	"cmp"
	"runtime/debug"
)

// release is set by the linker (-X main.release=1.2.3); empty in other builds.
var release string

// version is the version of this build: the release, else what the module
// system knows, else the commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = "devel-" + s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	return cmp.Or(revision, "devel") + dirty
}
