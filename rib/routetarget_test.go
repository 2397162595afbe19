package rib

import (
	"strings"
	"testing"
)

func TestParseRDAndRT(t *testing.T) {
	for _, tc := range []struct {
		in     string
		rd     RD
		out    string // "": as in
		dotted string // "": as out
	}{
		{in: "65000:10", rd: 0x0000_fde8_0000_000a},
		{in: "65000:4294967295", rd: 0x0000_fde8_ffff_ffff},
		{in: "0:0", rd: 0},
		{in: "192.0.2.1:10", rd: 0x0001_c000_0201_000a},
		{in: "70000:10", rd: 0x0002_0001_1170_000a, dotted: "1.4464:10"},
		{in: "1.4464:10", rd: 0x0002_0001_1170_000a, out: "70000:10", dotted: "1.4464:10"},
		{in: "65000.1:10", rd: 0x0002_fde8_0001_000a, out: "4259840001:10", dotted: "65000.1:10"},
		{in: "0.100:10", rd: 0x0002_0000_0064_000a},
		{in: "4294967295:65535", rd: 0x0002_ffff_ffff_ffff, dotted: "65535.65535:65535"},
	} {
		out, dotted := tc.out, tc.dotted
		if out == "" {
			out = tc.in
		}
		if dotted == "" {
			dotted = out
		}
		rd, err := ParseRD(tc.in)
		if err != nil || rd != tc.rd {
			t.Errorf("ParseRD(%q) = %#x, %v; want %#x", tc.in, uint64(rd), err, uint64(tc.rd))
		}
		if rd.String() != out || rd.Dotted() != dotted {
			t.Errorf("RD %q prints as %q and %q, want %q and %q", tc.in, rd, rd.Dotted(), out, dotted)
		}
		want := RT(uint64(tc.rd)>>48<<56 | 0x02<<48 | uint64(tc.rd)&(1<<48-1))
		rt, err := ParseRT(tc.in)
		if err != nil || rt != want {
			t.Errorf("ParseRT(%q) = %#x, %v; want %#x", tc.in, uint64(rt), err, uint64(want))
		}
		if rt.String() != out || rt.Dotted() != dotted {
			t.Errorf("RT %q prints as %q and %q, want %q and %q", tc.in, rt, rt.Dotted(), out, dotted)
		}
	}
}

func TestParseRDErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "no colon",
		"65000":            "no colon",
		"65000:":           `"" is not a number`,
		":10":              `"" is neither an AS number`,
		"a:b":              `"b" is not a number`,
		"a:1":              `"a" is neither an AS number`,
		"65000:+1":         `"+1" is not a number`,
		"65000:1:2":        `"1:2" is not a number`,
		"65000:4294967296": "not a number from 0 to 4294967295",
		"4294967296:1":     "neither an AS number",
		"70000:65536":      "at most 65535",
		"192.0.2.1:65536":  "at most 65535",
		"1.65536:1":        "neither an AS number",
		"1.2.3:1":          "neither an AS number",
		"[2001:db8::1]:1":  "is not a number",
	} {
		for what, err := range map[string]error{
			"route distinguisher": second(ParseRD(in)),
			"route target":        second(ParseRT(in)),
		} {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "write ") {
				t.Errorf("%s %q: error %v, want one with %q", what, in, err, want)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestUnknownRTPrintsItsBytes(t *testing.T) {
	for rt, want := range map[RT]string{
		0x0003_fde8_0000_000a: "0x0003fde80000000a", // route origin
		0x4302_0000_0000_0001: "0x4302000000000001",
	} {
		if rt.String() != want || rt.Dotted() != want {
			t.Errorf("%#x prints as %q, want %q", uint64(rt), rt, want)
		}
	}
	if got := RD(3 << 48).String(); got != "0x0003000000000000" {
		t.Errorf("RD of type 3 prints as %q", got)
	}
}

func FuzzParseRD(f *testing.F) {
	for _, s := range []string{"65000:10", "192.0.2.1:10", "70000:10", "65000.1:10", "0.1:1", "a:b", ":", "1:2:3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rd, err := ParseRD(s)
		if rt, rtErr := ParseRT(s); (err == nil) != (rtErr == nil) {
			t.Fatalf("ParseRD(%q): %v, but ParseRT: %v", s, err, rtErr)
		} else if err == nil {
			for _, text := range []string{rt.String(), rt.Dotted()} {
				if again, err := ParseRT(text); err != nil || again != rt {
					t.Fatalf("RT %q reads as %#x, prints as %q, and that reads as %#x, %v", s, uint64(rt), text, uint64(again), err)
				}
			}
		}
		if err != nil {
			return
		}
		for _, text := range []string{rd.String(), rd.Dotted()} {
			if again, err := ParseRD(text); err != nil || again != rd {
				t.Fatalf("RD %q reads as %#x, prints as %q, and that reads as %#x, %v", s, uint64(rd), text, uint64(again), err)
			}
		}
	})
}
