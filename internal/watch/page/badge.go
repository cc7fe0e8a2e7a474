package page

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// badgeView is a badge: a label at its left, a state at its right.
type badgeView struct {
	Label, State      string
	Title             string
	Left, Right       int // widths
	Width             int
	LeftText          int // where the middle of the text is
	RightText         int
	LeftLen, RightLen int // how wide the text is drawn, whatever font there is
	Colour            string
}

// badgeColours have a contrast of 4.5 to 1 at least with white.
var badgeColours = map[string]string{"bad": "#b3261e", "warn": "#855600", "good": "#1b6e3c", "none": "#565e68"}

const (
	badgeLetter = 7  // about the width of a letter of 11 pixels
	badgeSpace  = 10 // around a text
	badgeLabel  = 40 // letters, at most
)

// badge answers with the state of a check as a picture.
func (p *Page) badge(w http.ResponseWriter, r *http.Request) error {
	name, ok := strings.CutSuffix(r.PathValue("file"), ".svg")
	if !ok {
		return missing{what: "The address of a badge ends in .svg."}
	}
	c, _, ok := p.board.one(name)
	if !ok {
		return p.noCheck(name)
	}
	rank := c.rank(p.now())
	text := rank.Text()
	if rank == interfered {
		all := p.standings(c)
		worst := all[slices.IndexFunc(all, func(s standing) bool { return s.Rank == interfered })]
		text = joined(", ", "interference: "+worst.Outcome, worst.Place)
	}
	label := name
	if runes := []rune(name); len(runes) > badgeLabel {
		label = string(runes[:badgeLabel-1]) + "…"
	}
	v := badgeView{Label: label, State: text, Title: name + ": " + text, Colour: badgeColours[rank.Tone()]}
	v.LeftLen, v.RightLen = badgeLetter*utf8.RuneCountInString(label), badgeLetter*utf8.RuneCountInString(text)
	v.Left, v.Right = v.LeftLen+badgeSpace, v.RightLen+badgeSpace
	v.Width, v.LeftText, v.RightText = v.Left+v.Right, v.Left/2, v.Left+v.Right/2
	var b strings.Builder
	if err := pages.ExecuteTemplate(&b, "badge", v); err != nil {
		return fmt.Errorf("page: draw a badge: %w", err)
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'") // for who opens it by itself
	// A page of the same site, such as a wiki, may show it. Any other could tell
	// by its width how a check is that only who looks at it can reach.
	w.Header().Set("Cross-Origin-Resource-Policy", "same-site")
	p.send(w, r, http.StatusOK, "image/svg+xml", []byte(b.String()))
	return nil
}
