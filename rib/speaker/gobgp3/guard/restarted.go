package guard

import "github.com/osrg/gobgp/v3/pkg/packet/bgp"

// restartedBit is R, of the capability for graceful restart, and preservedBit F, of a family in it
// and in that for long-lived stale routes (RFC 4724, 3, and RFC 9494, 3.1).
const (
	restartedBit = 0x08
	preservedBit = 0x80
)

// asRestarted is an OPEN of GoBGP's that says that this router has restarted, and that forwarding
// went on. GoBGP says so until its restart is over, for which it asks those neighbours alone that
// have had a session: who comes up behind the End-of-RIB of all others would be told that nothing was
// kept, and drop what leads here.
func asRestarted(open []byte) []byte {
	m, err := bgp.ParseBGPMessage(open)
	if err != nil {
		return open
	}
	for _, p := range m.Body.(*bgp.BGPOpen).OptParams {
		p, is := p.(*bgp.OptionParameterCapability)
		if !is {
			continue
		}
		for _, c := range p.Capability {
			switch c := c.(type) {
			case *bgp.CapGracefulRestart:
				c.Flags |= restartedBit
				for _, t := range c.Tuples {
					t.Flags |= preservedBit
				}
			case *bgp.CapLongLivedGracefulRestart:
				for _, t := range c.Tuples {
					t.Flags |= preservedBit
				}
			}
		}
	}
	restarted, err := m.Serialize()
	if err != nil || len(restarted) != len(open) {
		return open
	}
	return restarted
}
