package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/doctor"
)

// TestDoctor: what is found settles the exit code.
func TestDoctor(t *testing.T) {
	t.Parallel()
	denied := doctor.RawFacts{Err4: os.ErrPermission, Err6: os.ErrPermission}
	for _, tt := range []struct {
		name  string
		args  []string
		facts doctor.Facts
		code  int
		want  string // in standard output
	}{
		{"all well", nil, doctor.Facts{}, exitOK, "0 to mend"},
		{"without privilege", nil, doctor.Facts{Raw: denied}, exitOK, "WARNING  raw mode"},
		{"raw asked for", []string{"--mode", "raw"}, doctor.Facts{Raw: denied}, exitPrivilege, "This machine can measure without privilege only"},
		{"nothing works", nil, doctor.Facts{Raw: denied, Kernel: os.ErrPermission}, exitFailure, "PROBLEM  kernel mode"},
		{"disk full", nil, doctor.Facts{Disks: []doctor.Disk{{Dir: ".", Writable: true}}}, exitFailure, "PROBLEM  space"},
		{"what it means", []string{"-v"}, doctor.Facts{}, exitOK, "means: every kind of evidence"},
		{"a command line that is wrong", []string{"--mode", "fast"}, doctor.Facts{}, exitUsage, ""},
		{"a target that is none", []string{"192.0.2.0/24"}, doctor.Facts{}, exitUsage, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fakeSystem{facts: tt.facts}
			got := f.run(t.Context(), "", append([]string{"doctor"}, tt.args...)...)
			if got.code != tt.code || !strings.Contains(got.stdout, tt.want) {
				t.Errorf("exit code %d, output:\n%s%s\nwant %d and %q", got.code, got.stdout, got.stderr, tt.code, tt.want)
			}
		})
	}
}

// TestDoctorJSON: a list on one line, and nothing else.
func TestDoctorJSON(t *testing.T) {
	t.Parallel()
	f := fakeSystem{facts: doctor.Facts{Raw: doctor.RawFacts{Err4: os.ErrPermission, Err6: os.ErrPermission}}}
	got := f.run(t.Context(), "", "doctor", "--json")
	var findings []doctor.Finding
	if err := json.Unmarshal([]byte(got.stdout), &findings); err != nil || len(findings) == 0 || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("%v in %q", err, got.stdout)
	}
	if got.code != exitOK || got.stderr != "" {
		t.Errorf("exit code %d, standard error %q; want 0 and nothing", got.code, got.stderr)
	}
}

// TestDoctorTargets: names are looked up, and one that cannot be is a finding.
func TestDoctorTargets(t *testing.T) {
	t.Parallel()
	f := fakeSystem{}
	f.run(t.Context(), "", "doctor", "clean.example", "nosuch.example", "192.0.2.9:80", "--ledger", "none")
	var got []string
	for _, target := range f.examined.Targets {
		if target.Err != nil {
			target.Addr = netip.AddrPort{}
		}
		got = append(got, target.Name+" "+target.Addr.String())
	}
	want := "clean.example 192.0.2.7:443, nosuch.example invalid AddrPort, 192.0.2.9:80 192.0.2.9:80"
	if got := strings.Join(got, ", "); got != want || f.examined.Ledger != "" {
		t.Errorf("targets %s, ledger %q; want %s and none", got, f.examined.Ledger, want)
	}
}
