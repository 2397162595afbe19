package l3vpn_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// overheads are the bytes that an encapsulation adds: two labels, or an outer header with one SID.
var overheads = map[edge.By]int{edge.MPLS: 8, edge.SRv6: 64}

// large: a host of a tenant is told in IPv4 how large its packets may be, and what is as large as
// that goes through. The kernel has no answer in IPv6, which the doctor says.
func (n *network) large() {
	n.T.Helper()
	const core, header = 1500, 28
	mtu := core - overheads[n.By]
	one := n.PEs[0]
	for _, name := range edge.Names() {
		h := one.Tenants[name].Host
		lab.WaitFor(n.T, fmt.Sprintf("a host of %s is told that packets may have %d bytes", name, mtu), lab.Patience, func() string {
			out, err := h.Run("ping", "-c", "1", "-W", "1", "-M", "do", "-s", strconv.Itoa(core-header), edge.Host(2, false))
			if err == nil {
				return "it goes through: " + out
			}
			if said := out + err.Error(); !strings.Contains(said, fmt.Sprintf("mtu = %d", mtu)) && !strings.Contains(said, fmt.Sprintf("mtu=%d", mtu)) {
				return said
			}
			return ""
		})
		if out, err := h.Run("ping", "-c", "1", "-W", "2", "-M", "do", "-s", strconv.Itoa(mtu-header), edge.Host(2, false)); err != nil {
			n.T.Errorf("a packet of %s that fits: %v: %s", name, err, out)
		}
	}
}
