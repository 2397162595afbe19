package faults_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A tenant's host sends packets in VXLAN itself, with the VNI and to the router's MAC address of
// another tenant, to every address where a VTEP could be; from the core the same packets arrive.
// None of them comes to the other tenant, and none of the tenant's plain packets.
func TestFault56OtherVNI(t *testing.T) {
	e := newEdges(t)
	one, two := e.pes[0], e.pes[1]
	const genuine, forged = 7777, 7778
	packet := func(port uint16) []byte {
		to := netip.AddrPortFrom(netip.MustParseAddr(two.host(false)), port)
		return inVXLAN(edgeVNIs["blue"], two.router("blue"), to)
	}
	heard, overheard := listen(t, two.hosts["blue"], genuine), listen(t, two.hosts["blue"], forged)
	lab.WaitFor(t, "a packet from the core", lab.Patience, func() string {
		if err := transmit(one.core, two.vtep(), packet(genuine)); err != nil || heard.Load() == 0 {
			return fmt.Sprintf("not heard, %v: this proves nothing", err)
		}
		return ""
	})
	var before [2]map[string]uint64
	lab.WaitFor(t, "all packets from the core have come", lab.Patience, func() string {
		last := before[1]["blue"]
		before = [2]map[string]uint64{one.came(t), two.came(t)}
		if before[1]["blue"] != last {
			return "more came"
		}
		return ""
	})
	const tries = 50
	targets := []string{two.vtep(), one.vtep(), "10.0.0.2", "10.0.0.1", "10.2.0.1", "10.1.0.1", two.host(false)}
	for range tries {
		for _, to := range targets {
			if err := transmit(one.hosts["red"], to, packet(forged)); err != nil && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatal(err)
			}
		}
		for _, six := range []bool{false, true} {
			if err := one.hosts["red"].Ping("", two.host(six)); err != nil {
				t.Fatal(err)
			}
		}
	}
	lab.Equal(t, "packets of red that were heard in blue", 0, int(overheard.Load()))
	for i, pe := range e.pes {
		after := pe.came(t)
		lab.Equal(t, fmt.Sprintf("what has come to blue at PE %d", pe.n), before[i]["blue"], after["blue"])
		if got := after["red"] - before[i]["red"]; got < 2*tries {
			t.Errorf("%d packets have come to red at PE %d", got, pe.n)
		}
	}
	measured(t, "of %d packets of a tenant's host with another tenant's VNI none came there, from the core they do; of %d plain ones none", tries*len(targets), 2*tries)
}

// A PE's daemon is killed and away for 15 seconds, under ten packets a second each way in both
// families: none is lost, it comes back with the same MAC addresses, and writes nothing that stands.
func TestFault57CrashOfAPE(t *testing.T) {
	e := newEdges(t)
	one, two := e.pes[0], e.pes[1]
	macs, marks := map[string]string{}, map[string]int{}
	for name := range edgeVNIs {
		macs[name] = one.router(name)
	}
	p := e.Pulse()
	for _, six := range []bool{false, true} {
		p.Between(one.hosts["red"], two.host(six))
		p.Between(two.hosts["red"], one.host(six))
	}
	one.daemon.Kill()
	away := p.Lasts(15 * time.Second)
	for name := range edgeVNIs {
		marks[name] = one.tenants[name].Mark()
	}
	one.daemon.Start()
	for name := range edgeVNIs {
		one.waitReady(t, name)
	}
	p.Lasts(5 * time.Second)
	sent := p.EndWhole()
	for name := range edgeVNIs {
		lab.Equal(t, "the MAC address of "+name, macs[name], one.router(name))
		for _, ev := range one.tenants[name].Since(marks[name]) {
			t.Errorf("%s: %+v", name, ev)
		}
	}
	for c := range e.wire.Seen() {
		if c.VNI != 100 && c.VNI != 200 {
			t.Errorf("%+v is on the wire", c)
		}
	}
	measured(t, "by VXLAN, away for %s: each of %d packets answered, the same VNI and MAC address, 0 writes", round(away), sent)
}

// inVXLAN is the payload to a VTEP that carries an empty UDP packet for an address and port, behind
// a router (RFC 7348, 5).
func inVXLAN(vni int, router string, to netip.AddrPort) []byte {
	mac, err := net.ParseMAC(router)
	if err != nil {
		panic(err)
	}
	p := binary.BigEndian.AppendUint32([]byte{8, 0, 0, 0}, uint32(vni)<<8)
	p = append(append(p, mac...), 2, 0, 0, 0, 0x66, 0x66, 8, 0)
	ip := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 10, 1, 0, 10}
	ip = append(ip, to.Addr().AsSlice()...)
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum>>16+sum&0xffff))
	p = append(p, ip...)
	udp := binary.BigEndian.AppendUint16(nil, 6666)
	udp = binary.BigEndian.AppendUint16(udp, to.Port())
	return append(p, append(udp, 0, 8, 0, 0)...) // no checksum, as IPv4 may have it
}

// transmit sends a payload to the port of VXLAN at an address.
func transmit(from *lab.Namespace, to string, payload []byte) error {
	return from.Enter(func() error {
		c, err := net.Dial("udp", to+":4789")
		if err != nil {
			return err
		}
		_, err = c.Write(payload)
		return errors.Join(err, c.Close())
	})
}

// listen counts the packets that come to a port in a namespace, until the test ends.
func listen(t *testing.T, n *lab.Namespace, port int) *atomic.Int64 {
	t.Helper()
	var c *net.UDPConn
	if err := n.Enter(func() (err error) {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	heard, done := new(atomic.Int64), make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			if _, _, err := c.ReadFrom(buf); err != nil {
				return // closed
			}
			heard.Add(1)
		}
	}()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return heard
}
