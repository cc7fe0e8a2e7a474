package packet

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// read is what the accessors make of an option list.
type read struct {
	MSS       uint16
	HasMSS    bool
	Val, Ecr  uint32
	HasTS     bool
	Permitted bool
	Blocks    [][2]Seq
	Scale     uint8
	HasScale  bool
}

func readOptions(b []byte) read {
	var r read
	s := Segment{Options: b}
	r.MSS, r.HasMSS = s.MSS()
	r.Val, r.Ecr, r.HasTS = s.Timestamps()
	r.Permitted = s.SACKPermitted()
	r.Blocks = s.SACKBlocks()
	r.Scale, r.HasScale = s.WindowScale()
	return r
}

func TestOptions(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want read
	}{
		{"none", nil, read{}},
		{"SYN", SYNOptions(1460, 5, 7), read{
			MSS: 1460, HasMSS: true, Val: 5, HasTS: true, Permitted: true, Scale: 7, HasScale: true,
		}},
		{"timestamps", TimestampOption(9, 5), read{Val: 9, Ecr: 5, HasTS: true}},
		{"two SACK blocks", unhex("0101 0512 00000001 00000002 00000005 fffffffe"), read{
			Blocks: [][2]Seq{{1, 2}, {5, 0xfffffffe}},
		}},
		{"SACK without blocks", unhex("0502"), read{}},
		{"SACK of half a block", unhex("0506 00000001"), read{}},
		{"behind the end of the list", unhex("00 020405b4"), read{}},
		{"behind an option of length zero", unhex("0800 020405b4"), read{}},
		{"behind an option of length one", unhex("0801 020405b4"), read{}},
		{"longer than the list", unhex("020405"), read{}},
		{"kind only", unhex("02"), read{}},
		{"behind an unknown option", unhex("fd04cafe 020405b4"), read{MSS: 1460, HasMSS: true}},
		{"MSS of an odd length", unhex("020505b400 0303 07"), read{Scale: 7, HasScale: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, readOptions(tt.in)); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSYNOptions: byte for byte what Linux sends.
func TestSYNOptions(t *testing.T) {
	want := unhex("020405b4 0402 080a0102030400000000 01 030307")
	if got := SYNOptions(1460, 0x01020304, 7); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	want = unhex("0101 080a0000000900000005")
	if got := TimestampOption(9, 5); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}
