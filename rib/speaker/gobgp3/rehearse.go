package gobgp3

import (
	"errors"
	"fmt"
	"time"

	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

// rehearse takes a message through GoBGP's own code as a message of that session: from
// the reader to the sessions that the routes go on to and to who lists them. It panics
// where that code does.
func rehearse(message []byte, s *guard.Session) error {
	m, err := bgp.ParseBGPMessage(message, &bgp.MarshallingOption{AddPath: s.Families})
	if err != nil {
		return err
	}
	u, is := m.Body.(*bgp.BGPUpdate)
	if !is {
		return errors.New("it is no UPDATE")
	}
	if ok, err := bgp.ValidateUpdateMsg(u, s.Families, s.External, s.Member, s.Loopback); !ok {
		return err
	}
	if err := mergeAS4Path(silent{}, u); err != nil {
		return err
	}
	if err := mergeAS4Aggregator(u); err != nil {
		return err
	}
	for i, p := range processMessage(m, &understudy.info, time.Now()) {
		if p.info == nil || p.info.source == nil { // an End-of-RIB
			continue
		}
		if err := rehearsePath(p, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// rehearsePath takes one path through GoBGP's tables, API and other sessions. The steps
// that depend on the attributes alone are done for the first path.
func rehearsePath(p *bgpPath, first bool) error {
	nlri := p.info.nlri
	_ = nlri.String()
	if _, err := nlri.Serialize(); err != nil {
		return err
	}
	if _, err := apiutil.MarshalNLRI(nlri); err != nil {
		return err
	}
	if p.IsWithdraw {
		return nil
	}
	if first {
		for _, a := range p.attributes() {
			_ = a.String()
			if _, err := a.MarshalJSON(); err != nil {
				return err
			}
		}
		if _, err := apiutil.MarshalPathAttributes(p.attributes()); err != nil {
			return err
		}
	}
	if first {
		for _, to := range understudy.receivers {
			if err := rehearseSending(to, p); err != nil {
				return err
			}
		}
	}
	return rehearseSending(understudy.receivers[0], pathToLocal(p))
}

// rehearseSending has a path sent to another neighbour, with AS numbers of four bytes
// and of two.
func rehearseSending(to receiver, p *bgpPath) error {
	out := updatePathAttrs(silent{}, &understudy.global, &to.conf, to.info, p)
	if out == nil {
		return errors.New("GoBGP can send it to nobody")
	}
	for _, m := range createUpdates([]*bgpPath{out}) {
		if _, err := m.Serialize(); err != nil {
			return fmt.Errorf("send it on: %w", err)
		}
		u := m.Body.(*bgp.BGPUpdate)
		if err := narrowASPath(u); err != nil {
			return err
		}
		narrowAggregator(u)
		if _, err := m.Serialize(); err != nil {
			return fmt.Errorf("send it on with AS numbers of two bytes: %w", err)
		}
	}
	return nil
}

// receiver is a neighbour to whom a rehearsed path is sent.
type receiver struct {
	conf oc.Neighbor
	info *bgpPeer
}

// understudy is the router of rehearsals, with the neighbours it takes routes from and
// sends them to. Nothing changes it.
var understudy = func() (u struct {
	global    oc.Global
	info      bgpPeer
	receivers []receiver
}) {
	u.global.Config = oc.GlobalConfig{As: 65000, RouterId: "192.0.2.1"}
	for _, kind := range []oc.PeerType{oc.PEER_TYPE_EXTERNAL, oc.PEER_TYPE_INTERNAL} {
		var n oc.Neighbor
		n.Config = oc.NeighborConfig{NeighborAddress: "192.0.2.2", PeerAs: 65000, LocalAs: 65000, PeerType: kind}
		n.State = oc.NeighborState{NeighborAddress: "192.0.2.2", PeerType: kind, LocalAs: 65000, PeerAs: 65000}
		n.Transport.State.LocalAddress = "192.0.2.1"
		n.Transport.Config.LocalAddress = "192.0.2.1"
		if kind == oc.PEER_TYPE_EXTERNAL {
			n.Config.PeerAs, n.State.PeerAs = 65001, 65001
		} else {
			n.RouteReflector.Config.RouteReflectorClient = true
			n.RouteReflector.State.RouteReflectorClient = true
			n.RouteReflector.State.RouteReflectorClusterId = "192.0.2.1"
		}
		u.receivers = append(u.receivers, receiver{n, newPeerInfo(&u.global, &n)})
	}
	u.info = *u.receivers[0].info
	return u
}()

// silent is a logger of GoBGP's that says nothing, and panics where GoBGP wants the
// process to end.
type silent struct{}

func (silent) Panic(m string, _ log.Fields) { panic("GoBGP gives up: " + m) }
func (silent) Fatal(m string, _ log.Fields) { panic("GoBGP gives up: " + m) }
func (silent) Error(string, log.Fields)     {}
func (silent) Warn(string, log.Fields)      {}
func (silent) Info(string, log.Fields)      {}
func (silent) Debug(string, log.Fields)     {}
func (silent) SetLevel(log.LogLevel)        {}
func (silent) GetLevel() log.LogLevel       { return log.PanicLevel }
