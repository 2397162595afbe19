package raw_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// The same seed makes the same messages, another one others, and each fits into a
// message.
func TestSameSeedSameMessages(t *testing.T) {
	s := raw.Speaker{AS: 65300, ID: netip.MustParseAddr("10.0.0.3"), Nexthop: netip.MustParseAddr("10.0.0.3"), Nexthop6: netip.MustParseAddr("2001:db8::3"), Prefix: "30.1.2.0/24"}
	a, b, other := s.Generator(7), s.Generator(7), s.Generator(8)
	differ := 0
	for range 20_000 {
		x, y, z := a.Next(), b.Next(), other.Next()
		if !bytes.Equal(x, y) {
			t.Fatalf("one seed makes %x and %x", x, y)
		}
		if len(x) < 19 || len(x) > 4096 {
			t.Fatalf("a message of %d bytes", len(x))
		}
		if !bytes.Equal(x, z) {
			differ++
		}
	}
	if differ < 10_000 {
		t.Errorf("two seeds differ in %d of 20,000 messages", differ)
	}
}
