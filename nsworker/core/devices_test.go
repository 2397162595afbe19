package core

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// TestDevices: a device is made when its VRF needs it, as large as the core lets it be, is tried
// again where that failed, and goes a while after its VRF.
func TestDevices(t *testing.T) {
	run(t, func(c *Core, k *fakeKernel) {
		is := rib.Carriage{Kind: rib.EncapVXLAN, VNI: 100, Device: "vx100", Managed: true}
		in := rib.Binding{Netns: "red"}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			k.mu.Lock()
			defer k.mu.Unlock()
			if !slices.Equal(k.made, want) {
				t.Errorf("it did %q, want %q", k.made, want)
			}
			k.made = nil
		}
		const make100 = "make vx100 in netns red: 100, mtu 1550, vrfredist:red"
		c.Need("blue", rib.Binding{Netns: "blue"}, rib.Carriage{Kind: rib.EncapVXLAN, VNI: 200, Device: "vx200"}, rib.Inside{})
		expect()
		k.failing(errors.New("the kernel has no VXLAN"))
		c.Need("red", in, is, rib.Inside{})
		expect(make100)
		if got := c.Making(100); got != "the kernel has no VXLAN" {
			t.Errorf("it says %q", got)
		}
		k.failing(nil)
		time.Sleep(retryFirst)
		expect(make100)
		if got := c.Making(100); got != "" {
			t.Errorf("it says %q", got)
		}
		time.Sleep(time.Hour)
		expect()
		c.Need("red", in, is, rib.Inside{}) // it is missed
		expect(make100)
		c.Drop("red")
		expect()
		time.Sleep(grace)
		expect("remove vx100 in netns red: vrfredist:red")
		c.Need("red", in, is, rib.Inside{})
		expect(make100)
		c.Drop("red")
		is.Device = "vx101"
		c.Need("red", in, is, rib.Inside{})
		expect("make vx101 in netns red: 100, mtu 1550, vrfredist:red")
		time.Sleep(grace)
		expect("remove vx100 in netns red: vrfredist:red")
		c.Drop("red")
	})
}

// TestDevicesThatComeDueMeanwhile: a device whose time comes while another one is being made is made
// next, and nothing has to happen for that.
func TestDevicesThatComeDueMeanwhile(t *testing.T) {
	run(t, func(c *Core, k *fakeKernel) {
		k.failing(errors.New("the VNI is taken"))
		need := func(vrf string, vni uint32) {
			c.Need(vrf, rib.Binding{Netns: vrf}, rib.Carriage{Kind: rib.EncapVXLAN, VNI: vni, Device: "vx", Managed: true}, rib.Inside{})
			synctest.Wait()
		}
		need("red", 100)
		time.Sleep(10 * time.Millisecond)
		need("blue", 200)
		k.failing(nil)
		k.mu.Lock()
		k.takes = 50 * time.Millisecond
		k.mu.Unlock()
		time.Sleep(retryFirst + 3*k.takes)
		synctest.Wait()
		for vrf, vni := range map[string]uint32{"red": 100, "blue": 200} {
			if why := c.Making(vni); why != "" {
				t.Errorf("the device of %s is not made: %s", vrf, why)
			}
		}
	})
}

// TestAFreedVNIIsTaken: a device that waits for another one's VNI is made when that goes.
func TestAFreedVNIIsTaken(t *testing.T) {
	run(t, func(c *Core, k *fakeKernel) {
		in := rib.Binding{Netns: "red"}
		is := rib.Carriage{Kind: rib.EncapVXLAN, VNI: 100, Device: "vx100", Managed: true}
		c.Need("red", in, is, rib.Inside{})
		synctest.Wait()
		c.Drop("red")
		k.failing(errors.New("the VNI is taken"))
		is.Device = "vx101"
		c.Need("blue", rib.Binding{Netns: "blue"}, is, rib.Inside{})
		time.Sleep(grace - time.Millisecond)
		k.failing(nil)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		k.mu.Lock()
		defer k.mu.Unlock()
		want := []string{"remove vx100 in netns red: vrfredist:red", "make vx101 in netns blue: 100, mtu 1550, vrfredist:blue"}
		if got := k.made[len(k.made)-2:]; !slices.Equal(got, want) {
			t.Errorf("at the end it did %q, want %q", got, want)
		}
	})
}

// TestDevicesWakeTheirOwn: who follows is woken by what becomes of the device of its VRF, and by
// no other's, of which there are many at a start.
func TestDevicesWakeTheirOwn(t *testing.T) {
	run(t, func(c *Core, k *fakeKernel) {
		news := make(map[string]<-chan struct{})
		for _, vrf := range []string{"red", "blue"} {
			var stop func()
			news[vrf], stop = c.Follow(vrf)
			defer stop()
		}
		woken := func(vrf string) bool {
			synctest.Wait()
			select {
			case <-news[vrf]:
				return true
			default:
				return false
			}
		}
		need := func() {
			c.Need("red", rib.Binding{Netns: "red"}, rib.Carriage{Kind: rib.EncapVXLAN, VNI: 100, Device: "vx100", Managed: true}, rib.Inside{})
		}
		need()
		if !woken("red") || woken("blue") {
			t.Error("a device was made, and its VRF slept, or another one woke")
		}
		k.fails = errors.New("the kernel has no VXLAN")
		need()
		if !woken("red") || woken("blue") {
			t.Error("a device could not be made, and its VRF slept, or another one woke")
		}
	})
}
