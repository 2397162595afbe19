package devices

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

const makeRed = "make red-dev table 1000 alias vrfredist-device:red"

// TestDeviceLives: a device is made with its rule and interfaces, one that comes later included; it is
// made again when it was deleted, and goes with the VRF, when its worker has ended and not before.
func TestDeviceLives(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		k.happens(func(k *fakeKernel) { k.add(rib.Link{Name: "lan1"}) })
		configure(d, red(1000, "lan1", "lan2"))
		news, stop := d.Follow("red")
		defer stop()
		expect(t, k, d, makeRed+", rule l3mdev, lan1 into red-dev", "", "")
		select {
		case <-news:
		default:
			t.Error("nobody was told that it is there")
		}
		k.happens(func(k *fakeKernel) { k.add(rib.Link{Name: "lan2"}) })
		expect(t, k, d, "lan2 into red-dev", "", "")

		release := d.Hold(inRed, 1000)
		k.happens(func(k *fakeKernel) {
			l, _ := k.links.ByName("red-dev")
			k.drop(l.Index)
		})
		expect(t, k, d, makeRed+", lan1 into red-dev, lan2 into red-dev", "", "")
		k.happens(func(k *fakeKernel) { k.change("red-dev", func(l *rib.Link) { l.Admin = false }) })
		expect(t, k, d, makeRed, "", "")

		configure(d)
		expect(t, k, d, "", "", "")
		if !d.Going("red") {
			t.Error("nothing goes")
		}
		ctx, end := context.WithTimeout(context.Background(), time.Second)
		defer end()
		if err := d.Gone(ctx, inRed); err == nil || !strings.Contains(err.Error(), "the VRF device red-dev in the daemon's own namespace is not removed yet") {
			t.Errorf("%v", err)
		}
		release()
		if err := d.Gone(context.Background(), inRed); err != nil {
			t.Error(err)
		}
		expect(t, k, d, "remove red-dev", "", "")
		if d.Going("red") {
			t.Error("it is not gone")
		}
	})
}

// TestOtherInterfaces: what is taken out of the list is let go, unless another device takes it, and
// whoever has it by then.
func TestOtherInterfaces(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		k.happens(func(k *fakeKernel) {
			for _, name := range []string{"lan1", "lan2", "lan3", "lan4"} {
				k.add(rib.Link{Name: name})
			}
		})
		blue := Wanted{VRF: "blue", In: rib.Binding{Device: "blue-dev"}, OwnDevice: rib.OwnDevice{Table: 2000}, Protocol: 179}
		configure(d, red(1000, "lan1", "lan2", "lan3", "lan4"), blue)
		k.happens(func(k *fakeKernel) { k.change("lan4", func(l *rib.Link) { l.Master = 99 }) })
		k.writes()
		k.happens(func(k *fakeKernel) {
			k.change("lan4", func(l *rib.Link) { l.Master = 99 })
			k.refuses["lan4 into red-dev"] = errors.New("no")
		})
		k.writes()
		blue.Interfaces = []string{"lan2"}
		configure(d, red(1000, "lan1"), blue)
		expect(t, k, d, "make blue-dev table 2000 alias vrfredist-device:blue, lan2 into blue-dev, "+makeRed+", lan3 out", "", "")
	})
}

// TestAnotherTable: the device is made anew with it, when the worker of the old table has ended.
func TestAnotherTable(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		k.happens(func(k *fakeKernel) { k.add(rib.Link{Name: "lan1"}) })
		configure(d, red(1000, "lan1"))
		release := d.Hold(inRed, 1000)
		expect(t, k, d, makeRed+", rule l3mdev, lan1 into red-dev", "", "")
		configure(d, red(2000, "lan1"))
		expect(t, k, d, "", "is made anew when nothing has its table open any more", "")
		defer d.Hold(inRed, 2000)() // of the next worker
		release()
		expect(t, k, d, "make red-dev table 2000 alias vrfredist-device:red, lan1 into red-dev", "", "")
	})
}

// TestAfterACrash: a device that is marked is adopted, and nothing of it is made; that of a VRF that
// went meanwhile is removed; one that another VRF has by now is made its own.
func TestAfterACrash(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		k.happens(func(k *fakeKernel) {
			k.rule[""] = true
			k.add(rib.Link{Name: "red-dev", VRFTable: 1000, Alias: "vrfredist-device:red", Admin: true})
			k.add(rib.Link{Name: "lan1", Master: k.next})
			k.add(rib.Link{Name: "old-dev", VRFTable: 7, Alias: "vrfredist-device:old", Admin: true})
			k.add(rib.Link{Name: "own-dev", VRFTable: 8, Alias: "mine", Admin: true})
		})
		before, _ := k.links.ByName("red-dev")
		configure(d, red(1000, "lan1"))
		expect(t, k, d, makeRed, "", "") // which sees to the ends of its table
		if after, _ := k.links.ByName("red-dev"); after.Index != before.Index {
			t.Error("it was made anew")
		}
		d.Leave(Wanted{VRF: "old", In: rib.Binding{Device: "old-dev"}, OwnDevice: rib.OwnDevice{Table: 7}})
		d.Leave(Wanted{VRF: "own", In: rib.Binding{Device: "own-dev"}, OwnDevice: rib.OwnDevice{Table: 8}})
		d.Leave(red(999)) // it has another table now, and is not what goes
		expect(t, k, d, "remove old-dev", "", "")

		renamed := red(1000, "lan1")
		renamed.VRF = "crimson"
		configure(d, renamed)
		expect(t, k, d, "remove red-dev, make red-dev table 1000 alias vrfredist-device:crimson, lan1 into red-dev", "", "")
		if d.Going("red") {
			t.Error("something of the VRF red is left")
		}
	})
}

// TestTurnedOff: a device of a VRF that is bound to it still, and does not have it made any more, stays.
func TestTurnedOff(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		configure(d, red(1000))
		expect(t, k, d, makeRed+", rule l3mdev", "", "")
		d.Configure(nil, []rib.Binding{inRed})
		k.happens(func(k *fakeKernel) { k.change("red-dev", func(l *rib.Link) { l.Admin = false }) })
		expect(t, k, d, "", "", "")
		if d.Going("red") {
			t.Error("it goes")
		}
	})
}

// TestOfOthers: what has no mark is never touched: it is used where its table is the one that is wanted.
func TestOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name         string
		is           rib.Link
		why, trouble string
	}{
		{"the same table", rib.Link{VRFTable: 1000, Admin: true}, "", "lan1 is not in the VRF device red-dev, which another program made"},
		{"the same table, down", rib.Link{VRFTable: 1000, Alias: "vrfredist:red"}, "", "lan1 is not in the VRF device red-dev"},
		{"another table", rib.Link{VRFTable: 7, Admin: true}, "has table 7 where the configuration says 1000: write table = 7, or remove it (ip link del red-dev)", ""},
		{"no VRF device", rib.Link{Admin: true}, "is another program's and no VRF device", ""},
		{"of another VRF", rib.Link{VRFTable: 7, Alias: "vrfredist-device:blue"}, "has table 7", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(k *fakeKernel, d *Keeper) {
				k.happens(func(k *fakeKernel) {
					k.rule[""] = true
					tt.is.Name = "red-dev"
					k.add(tt.is)
					k.add(rib.Link{Name: "lan1"})
				})
				configure(d, red(1000, "lan1"))
				expect(t, k, d, "", tt.why, tt.trouble)
				configure(d)
				expect(t, k, d, "", "", "")
				// It is removed: the daemon's own takes its place.
				configure(d, red(1000, "lan1"))
				k.happens(func(k *fakeKernel) {
					l, _ := k.links.ByName("red-dev")
					k.drop(l.Index)
				})
				expect(t, k, d, makeRed+", lan1 into red-dev", "", "")
			})
		})
	}
}

// TestNoFight: an interface that was taken out comes back once for each time; where another program
// takes it again and again it is left alone for a while, and that is said.
func TestNoFight(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		k.happens(func(k *fakeKernel) { k.add(rib.Link{Name: "lan1"}) })
		configure(d, red(1000, "lan1"))
		expect(t, k, d, makeRed+", rule l3mdev, lan1 into red-dev", "", "")
		out := func(k *fakeKernel) { k.change("lan1", func(l *rib.Link) { l.Master = 99 }) }
		for range 6 { // by hand, with pauses
			time.Sleep(calm + time.Second)
			k.happens(out)
			expect(t, k, d, "lan1 into red-dev", "", "")
		}
		k.happens(out)
		k.happens(out)
		k.happens(out)
		expect(t, k, d, "lan1 into red-dev, lan1 into red-dev, lan1 into red-dev", "", "")
		k.happens(out)
		expect(t, k, d, "", "", "another program takes the interface lan1 out of the VRF device red-dev again and again")
		k.happens(out)
		expect(t, k, d, "", "", "again and again")
		time.Sleep(rest + time.Second)
		expect(t, k, d, "lan1 into red-dev", "", "")
	})
}

// TestRefused: what the kernel refuses is said, and tried again.
func TestRefused(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		k.happens(func(k *fakeKernel) {
			k.refuses[makeRed] = errors.New("operation not permitted")
			k.add(rib.Link{Name: "lan1"})
		})
		configure(d, red(1000, "lan1"))
		expect(t, k, d, makeRed, "operation not permitted", "")
		k.happens(func(k *fakeKernel) {
			clear(k.refuses)
			k.refuses["lan1 into red-dev"] = errors.New("device or resource busy")
		})
		time.Sleep(retryMost / 2)
		expect(t, k, d, makeRed+", rule l3mdev, lan1 into red-dev", "", "the interface lan1 cannot be put into the VRF device red-dev: device or resource busy")
		k.happens(func(k *fakeKernel) { clear(k.refuses) })
		time.Sleep(retryMost)
		k.writes()
		expect(t, k, d, "", "", "")
	})
}

// TestNamespaceComesAndGoes: a device is made when its namespace is there.
func TestNamespaceComesAndGoes(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		k.happens(func(k *fakeKernel) { k.absent = true })
		configure(d, red(1000))
		expect(t, k, d, "", "the network namespace is not there", "")
		k.happens(func(k *fakeKernel) { k.absent = false })
		expect(t, k, d, makeRed+", rule l3mdev", "", "")
	})
}

// TestTablePassesOn: a device with the table of one that goes is made when that is gone.
func TestTablePassesOn(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		blue := Wanted{VRF: "blue", In: rib.Binding{Device: "blue-dev"}, OwnDevice: rib.OwnDevice{Table: 1000}, Protocol: 179}
		configure(d, blue)
		release := d.Hold(blue.In, 1000)
		k.writes()
		configure(d, red(1000))
		expect(t, k, d, "", "is made when blue-dev is removed", "")
		release()
		expect(t, k, d, "remove blue-dev, "+makeRed, "", "")
		synctest.Wait()
	})
}

// TestRuleOfDevices: the rule comes back; where another program removes it again and again that is said.
func TestRuleOfDevices(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		configure(d, red(1000))
		expect(t, k, d, makeRed+", rule l3mdev", "", "")
		gone := func(k *fakeKernel) { delete(k.rule, "") }
		for range 3 {
			k.happens(gone)
			expect(t, k, d, "rule l3mdev", "", "")
		}
		k.happens(gone)
		expect(t, k, d, "rule l3mdev", "", "another program removes the rule l3mdev of the daemon's own namespace again and again")
		k.happens(gone)
		expect(t, k, d, "", "", "again and again")
		time.Sleep(rest + time.Second)
		expect(t, k, d, "rule l3mdev", "", "")
	})
}

// TestSeenToAgain: of the ends of a table nobody tells, so that they are looked at now and then.
func TestSeenToAgain(t *testing.T) {
	run(t, func(k *fakeKernel, d *Keeper) {
		configure(d, red(1000))
		expect(t, k, d, makeRed+", rule l3mdev", "", "")
		time.Sleep(lookAfter + time.Second)
		expect(t, k, d, makeRed, "", "")
	})
}
