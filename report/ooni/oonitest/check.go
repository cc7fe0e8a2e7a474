// Package oonitest reads measurements in OONI's data format as strictly as
// their readers do, for tests of what writes them. It is written from the
// specification and from what oonidata and oonipipeline insist on, and shares
// nothing with the code under test.
package oonitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Check reports everything that is wrong with one line.
func Check(line []byte) error {
	if bytes.ContainsAny(line, "\n\r") {
		return errors.New("more than one line")
	}
	var m map[string]any
	dec := json.NewDecoder(bytes.NewReader(line))
	if err := dec.Decode(&m); err != nil {
		return fmt.Errorf("no JSON object: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	if err := envelope("measurement", m); err != nil {
		return err
	}
	name, _ := m["test_name"].(string)
	test, ok := testKeys[name]
	if !ok {
		return wrong("test_name", "%s is not known", name)
	}
	if m["test_version"] != test.version {
		return wrong("test_version", "%v is not %s", m["test_version"], test.version)
	}
	if err := errors.Join(test.keys("test_keys", m["test_keys"]), test.input("input", m["input"])); err != nil {
		return err
	}
	if len(m["extensions"].(map[string]any)) == 0 {
		return wrong("extensions", "none is named")
	}
	keys := m["test_keys"].(map[string]any)
	switch name {
	case "urlgetter":
		return urlGetter(name, keys)
	case "sni_blocking":
		return errors.Join(
			urlGetter("control", keys["control"].(map[string]any)), urlGetter("target", keys["target"].(map[string]any)),
			wanted("target.sni", keys["target"].(map[string]any)["sni"], m["input"]))
	case "tlsmiddlebox":
		return traces(keys["iterative_trace"].([]any))
	}
	return connects("tcp_connect", keys["tcp_connect"].([]any))
}

func wanted(at string, got, want any) error {
	if got != want {
		return wrong(at, "%v is not %v", got, want)
	}
	return nil
}

// objects are the members of a list that was checked to hold objects.
func objects(v any) []map[string]any {
	var out []map[string]any
	for _, x := range v.([]any) {
		out = append(out, x.(map[string]any))
	}
	return out
}

// ordered reports an event that ends before it begins.
func ordered(at string, e map[string]any) error {
	if e["t"].(float64) < e["t0"].(float64) {
		return wrong(at, "t %v is before t0 %v", e["t"], e["t0"])
	}
	return nil
}

// connects: a success has no failure, and nothing else has none.
func connects(at string, list []any) error {
	var errs []error
	for _, c := range objects(list) {
		status := c["status"].(map[string]any)
		errs = append(errs, ordered(at, c), wanted(at+".status.success", status["success"], status["failure"] == nil))
	}
	return errors.Join(errs...)
}

// urlGetter holds what its readers rely on.
func urlGetter(at string, keys map[string]any) error {
	errs := []error{
		connects(at+".tcp_connect", keys["tcp_connect"].([]any)),
		wanted(at+": an operation failed", keys["failed_operation"] != nil, keys["failure"] != nil),
	}
	events := objects(keys["network_events"])
	for i, e := range events {
		errs = append(errs, ordered(at+".network_events", e))
		if i > 0 && e["t0"].(float64) < events[i-1]["t0"].(float64) {
			errs = append(errs, wrong(at+".network_events", "they are not in the order of time"))
		}
	}
	for _, h := range objects(keys["tls_handshakes"]) {
		errs = append(errs, ordered(at+".tls_handshakes", h), handshake(at, h, events), wanted(at+".tls_handshakes.failure", h["failure"], keys["failure"]))
	}
	for _, r := range objects(keys["requests"]) {
		errs = append(errs, ordered(at+".requests", r), wanted(at+".requests.failure", r["failure"], keys["failure"]))
	}
	return errors.Join(errs...)
}

// handshake: oonipipeline finds the events of a handshake by its id, asserts
// that the earliest has its address, and takes those up to the
// tls_handshake_done at its very t.
func handshake(at string, h map[string]any, events []map[string]any) error {
	at += ".network_events"
	var first, done map[string]any
	for _, e := range events {
		if e["transaction_id"] != h["transaction_id"] {
			continue
		}
		if e["address"] == "" {
			return wrong(at, "an event has no address")
		}
		if first == nil || e["t0"].(float64) < first["t0"].(float64) {
			first = e
		}
		if e["operation"] == "tls_handshake_done" && e["t"] == h["t"] {
			done = e
		}
	}
	switch {
	case first == nil:
		return wrong(at, "none is of handshake %v", h["transaction_id"])
	case done == nil:
		return wrong(at, "there is no tls_handshake_done at %v", h["t"])
	}
	return wanted(at+": address of the first", first["address"], h["address"])
}

// traces: iterations ascend by TTL, and the first that met a success or a
// reset is the last.
func traces(all []any) error {
	if len(all) == 0 {
		return wrong("iterative_trace", "it is empty")
	}
	var errs []error
	for _, t := range objects(all) {
		for _, side := range []string{"control_trace", "target_trace"} {
			last, ended := 0.0, false
			for _, it := range objects(t[side].(map[string]any)["iterations"]) {
				h := it["handshake"].(map[string]any)
				if it["ttl"].(float64) <= last {
					errs = append(errs, wrong(side, "TTL %v comes after %v", it["ttl"], last))
				}
				if ended {
					errs = append(errs, wrong(side, "TTL %v comes after the end", it["ttl"]))
				}
				last, ended = it["ttl"].(float64), h["failure"] == nil || h["failure"] == "connection_reset"
				errs = append(errs, ordered(side, h), wanted(side+".address", h["address"], t["address"]))
			}
		}
	}
	return errors.Join(errs...)
}
