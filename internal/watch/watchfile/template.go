package watchfile

import _ "embed" // for Template

// Template is a watch file that works as it is, with every key, its default
// and what it means in comments. docs/watch.yaml is the same.
//
//go:embed template.yaml
var Template string
