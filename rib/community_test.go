package rib

import (
	"math"
	"strings"
	"testing"
)

func TestParseCommunity(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Community
		out  string
	}{
		{"65001:100", 0xfde9_0064, "65001:100"},
		{"0:1", 1, "0:1"},
		{"65001", 65001, "0:65001"},
		{"4294967295", math.MaxUint32, "65535:65535"},
		{"65535:666", CommunityBlackhole, "blackhole"},
		{"blackhole", CommunityBlackhole, "blackhole"},
		{"BLACKHOLE", CommunityBlackhole, "blackhole"},
		{"no-export", CommunityNoExport, "no-export"},
		{"NO_EXPORT", CommunityNoExport, "no-export"},
		{"no-advertise", 0xffffff02, "no-advertise"},
		{"no-export-subconfed", 0xffffff03, "no-export-subconfed"},
		{"local-as", 0xffffff03, "no-export-subconfed"},
		{"no-peer", 0xffffff04, "no-peer"},
		{"graceful-shutdown", 0xffff0000, "graceful-shutdown"},
		{"planned-shut", 0xffff0000, "graceful-shutdown"},
		{"accept-own", 0xffff0001, "accept-own"},
		{"llgr-stale", 0xffff0006, "llgr-stale"},
		{"no-llgr", 0xffff0007, "no-llgr"},
		{"internet", 0, "internet"},
	} {
		got, err := ParseCommunity(tc.in)
		if err != nil || got != tc.want || got.String() != tc.out {
			t.Errorf("ParseCommunity(%q) = %#x (%s), %v; want %#x (%s)", tc.in, uint32(got), got, err, uint32(tc.want), tc.out)
		}
	}
}

func TestParseCommunityErrors(t *testing.T) {
	for in, want := range map[string][]string{
		"65001:":                  {"no number after the colon", "65001:100"},
		":100":                    {"no number before the colon", "65001:100"},
		"a:b":                     {`"a" is not a number`, "65001:100"},
		"65001:b":                 {`"b" is not a number`, "65001:100"},
		"65001:-1":                {`"-1" is not a number`},
		"65001: 1":                {`" 1" is not a number`},
		"70000:1":                 {"70000 is over 65535", "70000:0:1"},
		"1:70000":                 {"70000 is over 65535"},
		"65001:1:100":             {"large community", "large_community_list"},
		"1:2:3:4":                 {"more than two parts"},
		"4294967296":              {"at most 4294967295"},
		"99999999999999999999999": {"at most 4294967295"},
		"no-exprot":               {"neither", "no-export", "65001:100"},
		"":                        {"neither"},
		"+1":                      {"neither"},
	} {
		_, err := ParseCommunity(in)
		if err == nil {
			t.Errorf("ParseCommunity(%q) took it", in)
			continue
		}
		for _, w := range append(want, "community \""+in+"\"") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("ParseCommunity(%q): %q does not say %q", in, err, w)
			}
		}
	}
}

func TestParseLargeCommunity(t *testing.T) {
	got, err := ParseLargeCommunity("65001:1:4294967295")
	if want := (LargeCommunity{65001, 1, math.MaxUint32}); err != nil || got != want || got.String() != "65001:1:4294967295" {
		t.Errorf("got %v, %v", got, err)
	}
	for in, want := range map[string]string{
		"65001:100":      "two parts and needs three",
		"65001":          "needs three parts",
		"1:2:3:4":        "needs three parts",
		"1::3":           `"" is not a number`,
		"1:2:4294967296": `"4294967296" is not a number`,
		"a:1:2":          `"a" is not a number`,
		"1:2:+3":         `"+3" is not a number`,
	} {
		if _, err := ParseLargeCommunity(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "65001:1:100") {
			t.Errorf("ParseLargeCommunity(%q): error %v, want one with %q and an example", in, err, want)
		}
	}
}

func FuzzParseCommunity(f *testing.F) {
	for _, s := range []string{"65001:100", "65001", "no-export", "65001:", "a:b", "70000:1", "1:2:3", "NO_PEER"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCommunity(s)
		if err != nil {
			return
		}
		if again, err := ParseCommunity(c.String()); err != nil || again != c {
			t.Fatalf("%q reads as %#x, prints as %q, and that reads as %#x, %v", s, uint32(c), c, uint32(again), err)
		}
	})
}

func FuzzParseLargeCommunity(f *testing.F) {
	for _, s := range []string{"65001:1:100", "1:2", "1:2:3:4", "::", "4294967296:0:0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseLargeCommunity(s)
		if err != nil {
			return
		}
		if again, err := ParseLargeCommunity(c.String()); err != nil || again != c {
			t.Fatalf("%q reads as %v, and that reads as %v, %v", s, c, again, err)
		}
	})
}
