// Package config reads configuration files: YAML of which every value knows
// where it stands, so that whatever is wrong with it can be shown in place.
//
// It knows no key; callers walk the nodes and refuse what they do not know by
// Node.Errorf. Only plain data is taken: scalars, lists and mappings with
// plain keys, each key once. Anchors, aliases, merge keys and tags are
// refused, since a configuration that needs them is one that nobody can check
// by reading it.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file, far beyond what a person writes. The parser calls itself
// for every level of nesting.
const (
	MaxSize  = 1 << 20 // in bytes
	maxDepth = 100
)

// Kind is what a node is.
type Kind int

// The kinds of nodes.
const (
	Null   Kind = iota // nothing is written there, or null
	Scalar             // a text, a number or true and false
	List
	Map
)

// Node is a value in a file.
type Node struct {
	file *file
	node ast.Node        // nil: the file is empty
	at   *token.Position // of its first character; nil: the file is empty
}

// Field is an entry of a mapping.
type Field struct {
	Key   Node // a scalar
	Value Node
}

// file is what a node stands in.
type file struct {
	name    string
	lines   []string
	parsed  bool        // it is YAML
	secrets map[int]int // by line: the column from which on it is not shown
}

// Parse reads the one YAML document in text. Name is what errors call the
// file. An empty file is Null.
func Parse(name string, text []byte) (Node, error) {
	if len(text) > MaxSize {
		return Node{}, fmt.Errorf("%s: longer than %d bytes", name, MaxSize)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // as some editors begin a file
	root := Node{file: &file{name: name, lines: strings.Split(string(text), "\n")}}
	if depth(text) > maxDepth {
		return Node{}, fmt.Errorf("%s: more than %d levels of brackets", name, maxDepth)
	}
	parsed, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Node{}, root.misread(err)
	}
	root.file.parsed = true
	var docs []*ast.DocumentNode
	for _, d := range parsed.Docs {
		if d.Body != nil {
			docs = append(docs, d)
		}
	}
	if len(docs) == 0 {
		return root, nil
	}
	if len(docs) > 1 {
		return Node{}, root.child(docs[1].Body).Errorf("a second document: write one per file")
	}
	root = root.child(docs[0].Body)
	return root, root.checkPlain()
}

// Read is Parse of all that r has. An error of r is returned as it is.
func Read(name string, r io.Reader) (Node, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return Node{}, err
	}
	return Parse(name, text)
}

// depth is how deep brackets nest, those in texts and comments included.
func depth(text []byte) int {
	deepest, now := 0, 0
	for _, b := range text {
		switch b {
		case '[', '{':
			now++
			deepest = max(deepest, now)
		case ']', '}':
			now--
		}
	}
	return deepest
}

// child is a node of the same file.
func (n Node) child(a ast.Node) Node { return Node{n.file, a, start(a)} }

// start is where a node begins: a mapping at its first key, of which the
// library gives the colon.
func start(a ast.Node) *token.Position {
	switch v := a.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return start(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return start(v.Key)
	}
	return a.GetToken().Position
}

// Kind is what the node is.
func (n Node) Kind() Kind {
	switch n.node.(type) {
	case nil, *ast.NullNode:
		return Null
	case *ast.MappingNode, *ast.MappingValueNode:
		return Map
	case *ast.SequenceNode:
		return List
	}
	return Scalar
}

// Text is a scalar as it is written, without quotes; "" of any other node.
func (n Node) Text() string {
	switch v := n.node.(type) {
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		return v.Value.Value
	case ast.ScalarNode:
		if n.Kind() == Scalar {
			return v.GetToken().Value
		}
	}
	return ""
}

// Items are the values of a list; none of any other node.
func (n Node) Items() []Node {
	list, ok := n.node.(*ast.SequenceNode)
	if !ok {
		return nil
	}
	var out []Node
	for _, v := range list.Values {
		out = append(out, n.child(v))
	}
	return out
}

// Fields are the entries of a mapping, in order; none of any other node.
func (n Node) Fields() []Field {
	var values []*ast.MappingValueNode
	switch v := n.node.(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	}
	var out []Field
	for _, v := range values {
		out = append(out, Field{n.child(v.Key), n.child(v.Value)})
	}
	return out
}

// Decode stores the node in what v points to, as github.com/goccy/go-yaml
// does. A key that has no place there is an error.
func (n Node) Decode(v any) error {
	if n.node == nil {
		return nil
	}
	if err := yaml.NodeToValue(n.node, v, yaml.Strict()); err != nil {
		return n.misread(err)
	}
	return nil
}

// checkPlain refuses what is not plain data, in the node and below.
func (n Node) checkPlain() error {
	switch n.node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.MappingKeyNode:
		return n.Errorf("anchors, aliases, merge keys, tags and keys of several lines are not read: write the value itself, and in quotes a text that begins with *, & or !")
	}
	for _, f := range n.Fields() {
		if err := errors.Join(f.Key.checkPlain(), f.Value.checkPlain()); err != nil {
			return err
		}
	}
	for _, item := range n.Items() {
		if err := item.checkPlain(); err != nil {
			return err
		}
	}
	return nil
}
