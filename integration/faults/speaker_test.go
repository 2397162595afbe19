package faults_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// rawPeer is the neighbour 10.0.0.3, AS 65300, of a network, which says what a test has
// it say, byte by byte.
const rawPeer = `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.3"
    peer-as = 65300
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`

// rawSpeaker is that neighbour.
var rawSpeaker = raw.Speaker{AS: 65300, ID: netip.MustParseAddr("10.0.0.3"), Nexthop: netip.MustParseAddr("10.0.1.2")}

// gracefulCapability is the capability of graceful restart (RFC 4724) for IPv4 unicast.
func gracefulCapability(seconds uint16, preserved bool) []byte {
	value := binary.BigEndian.AppendUint16(nil, 0x8000|seconds)
	flags := byte(0)
	if preserved {
		flags = 0x80
	}
	return raw.Capability(64, append(value, 0, 1, 1, flags)...)
}

// speak brings a session of the raw peer up, with these capabilities and no others.
func (w *network) speak(capabilities ...byte) (s *raw.Session) {
	w.T.Helper()
	lab.WaitFor(w.T, "a session of the raw peer", limit(), func() string {
		var err error
		if s, err = raw.Dial(w.up.Enter, rawSpeaker.ID, netip.MustParseAddr("10.0.0.1")); err != nil {
			return err.Error()
		}
		if err := s.Establish(rawSpeaker.OpenOf(capabilities)); err != nil {
			s.Close()
			return err.Error()
		}
		return ""
	})
	w.T.Cleanup(s.Close)
	return s
}

// crash ends a session as a peer that dies does.
func crash(t testing.TB, s *raw.Session) {
	t.Helper()
	if err := s.Crash(); err != nil {
		t.Fatal(err)
	}
}

// rawUpdates announce, or withdraw, the /24 prefixes from number from on. Their AS
// numbers have two bytes, because the OPEN of speak has no capability for four.
func rawUpdates(withdraw bool, from, n int) (messages [][]byte) {
	attributes := rawSpeaker.AttrsBy(raw.Attr(raw.WellKnown, 2, 2, 1, 0xff, 0x14))
	for end := from + n; from < end; {
		var prefixes []byte
		for ; from < end && len(prefixes) < 4000; from++ {
			prefixes = append(prefixes, 24, byte(20+from>>16), byte(from>>8), byte(from))
		}
		if withdraw {
			messages = append(messages, raw.Update(prefixes, nil, nil))
			continue
		}
		messages = append(messages, raw.Update(nil, attributes, prefixes))
	}
	return messages
}
