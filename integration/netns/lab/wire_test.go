package lab

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	innerFour = "45000014 00000000 40010000 0a01000a 0a02000a"
	innerSix  = "60000000 00003a40 20010db8000100000000000000000010 20010db8000200000000000000000010"
)

var (
	plainFour = Plain{netip.MustParseAddr("10.1.0.10"), netip.MustParseAddr("10.2.0.10")}
	plainSix  = Plain{netip.MustParseAddr("2001:db8:1::10"), netip.MustParseAddr("2001:db8:2::10")}
)

// TestLabelledIn: the labels of a packet are read in their order, with what is behind them.
func TestLabelledIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind   uint16
		packet string
		want   Labelled
		is     bool
	}{
		{0x8847, "00064140 " + innerFour, Labelled{"100", plainFour}, true},
		{0x8847, "03e82040 00064140 " + innerFour, Labelled{"16002/100", plainFour}, true},
		{0x8847, "03e82040 00064140 " + innerSix, Labelled{"16002/100", plainSix}, true},
		{0x8847, "03e82040", Labelled{}, false},
		{0x8847, "00064140 45", Labelled{}, false},
		{0x0800, innerFour, Labelled{}, false},
	} {
		got, is := labelledIn(tc.kind, bytesOf(t, tc.packet))
		if is != tc.is || is && got != tc.want {
			t.Errorf("%s: %v, %v; want %v, %v", tc.packet, got, is, tc.want, tc.is)
		}
	}
}

// TestSegmentedIn: a packet for a SID is read with and without a segment routing header, and no
// other is taken for one.
func TestSegmentedIn(t *testing.T) {
	t.Parallel()
	const from, sid = "fd0000ff000000000000000000000001", "fd000002000000010100000000000000"
	outer := Plain{netip.MustParseAddr("fd00:ff::1"), netip.MustParseAddr("fd00:2:0:1:100::")}
	outerOf := func(next string) string { return "60000000 0000" + next + "40" + from + sid }
	header := func(next string) string { return next + "020400 00000000" + sid }
	for _, tc := range []struct {
		name, packet string
		want         Segmented
		is           bool
	}{
		{"IPv4, with a header", outerOf("2b") + header("04") + innerFour, Segmented{outer, false, plainFour}, true},
		{"IPv6, with a header", outerOf("2b") + header("29") + innerSix, Segmented{outer, false, plainSix}, true},
		{"IPv4, reduced", outerOf("04") + innerFour, Segmented{outer, true, plainFour}, true},
		{"IPv6, reduced", outerOf("29") + innerSix, Segmented{outer, true, plainSix}, true},
		{"no packet inside", outerOf("3a") + "8000", Segmented{}, false},
		{"a header that is cut off", outerOf("2b") + "0402", Segmented{}, false},
	} {
		got, is := segmentedIn(0x86dd, bytesOf(t, tc.packet))
		if is != tc.is || is && got != tc.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", tc.name, got, is, tc.want, tc.is)
		}
	}
}
