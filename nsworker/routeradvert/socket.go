package routeradvert

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// hopLimit is what the advertisement proposes to hosts: FRR's value, and Linux' own default.
const hopLimit = 64

// listen opens the socket of an interface, at its link-local address.
func listen(device *net.Interface) (*ndp.Conn, netip.Addr, error) {
	conn, own, err := ndp.Listen(device, ndp.LinkLocal)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return nil, own, fmt.Errorf("%w: run with CAP_NET_RAW, which router advertisements need (router-advertisements.conf, docs/SERVICE.md)", err)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return nil, own, fmt.Errorf("the link-local address of %s is not ready: duplicate address detection goes on, or the interface is down", device.Name)
	case err != nil:
		return nil, own, fmt.Errorf("the interface %s cannot be used: %w; has it a link-local address?", device.Name, err)
	}
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterSolicitation)
	filter.Accept(ipv6.ICMPTypeRouterAdvertisement)
	err = conn.SetICMPFilter(&filter)
	for _, group := range []netip.Addr{allRouters, allNodes} {
		if err == nil {
			err = conn.JoinGroup(group)
		}
	}
	if err == nil {
		err = conn.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagInterface, true)
	}
	if err != nil {
		_ = conn.Close() // the error that counts is the first
		return nil, own, fmt.Errorf("the interface %s cannot be used: %w", device.Name, err)
	}
	return conn, own, nil
}

// sender sends on a link.
type sender struct {
	conn *ndp.Conn
	mac  net.HardwareAddr // none: the link has no link-layer addresses
}

// advertise sends an advertisement. With a lifetime of 0 we are no router any more (RFC 4861,
// 6.2.5).
func (s *sender) advertise(to netip.Addr, lifetime time.Duration) error {
	return s.conn.WriteTo(s.message(lifetime), nil, to)
}

func (s *sender) message(lifetime time.Duration) *ndp.RouterAdvertisement {
	m := &ndp.RouterAdvertisement{CurrentHopLimit: hopLimit, RouterLifetime: lifetime}
	if len(s.mac) == 6 { // of Ethernet, for which alone the library has the option
		m.Options = []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: s.mac}}
	}
	return m
}

// solicit asks who advertises on the link: another program of this host answers too.
func (s *sender) solicit() error {
	return s.conn.WriteTo(&ndp.RouterSolicitation{}, nil, allRouters)
}

// receiver is the goroutine that reads from a link.
type receiver struct {
	conn   *ndp.Conn
	own    netip.Addr
	asked  chan struct{} // signalled: somebody solicits an advertisement
	others chan struct{} // signalled: another program of this host has sent one
	failed chan error
	done   chan struct{}
}

func newReceiver(conn *ndp.Conn, own netip.Addr) *receiver {
	r := &receiver{
		conn: conn, own: own, done: make(chan struct{}), failed: make(chan error, 1),
		asked: make(chan struct{}, 1), others: make(chan struct{}, 1),
	}
	go r.run()
	return r
}

// close ends and joins the goroutine.
func (r *receiver) close() {
	_ = r.conn.Close() // nothing can be lost
	<-r.done
}

func (r *receiver) run() {
	defer close(r.done)
	b := make([]byte, 1<<16)
	for {
		n, control, from, err := r.conn.ReadRaw(b)
		if err != nil {
			r.failed <- err
			return
		}
		if control == nil || control.HopLimit != ndp.HopLimit { // it came from elsewhere: RFC 4861, 6.1
			continue
		}
		m, err := ndp.ParseMessage(b[:n])
		if err != nil {
			continue
		}
		switch m := m.(type) {
		case *ndp.RouterSolicitation:
			if from != r.own {
				signal(r.asked)
			}
		case *ndp.RouterAdvertisement:
			if from == r.own && !isOurs(m) {
				signal(r.others)
			}
		}
	}
}

// isOurs tells whether an advertisement from our address is as we send it: our own come back
// to us.
func isOurs(m *ndp.RouterAdvertisement) bool {
	for _, o := range m.Options {
		if _, is := o.(*ndp.LinkLayerAddress); !is {
			return false
		}
	}
	return m.CurrentHopLimit == hopLimit && (m.RouterLifetime == lifetime || m.RouterLifetime == 0) &&
		!m.ManagedConfiguration && !m.OtherConfiguration && m.ReachableTime == 0 && m.RetransmitTimer == 0
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
