package devices

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// device is a VRF device that is to be there, or to go. But for why and trouble, which Keeper.mu
// guards with before and lets, and now, which is Run's, it is not changed: another one takes its place.
type device struct {
	is     Wanted
	before string        // the VRF that had it before; "": none
	goes   bool          // it is to be removed
	ended  chan struct{} // of one that goes: closed when it does no more
	lets   []string      // interfaces that are to be let go, because they do not belong into it any more

	why     string // why its VRF has no table there; "": it has
	trouble string // why interfaces are not in it; "": they are, or not there
	now     state
}

// notYet is why a VRF has no table before its device was looked at.
const notYet = "its VRF device has yet to be made"

// Keeper keeps VRF devices true. It is safe for concurrent use.
type Keeper struct {
	kernel Kernel
	log    *slog.Logger
	wake   chan struct{}
	pass   pass // of Run

	mu      sync.Mutex
	changed func()                         // what to call when Why or Trouble has another answer
	devices map[rib.Binding]*device        // guarded by mu, by the binding's one spelling
	holds   map[rib.Binding]map[uint32]int // guarded by mu: the workers that may have a table of it open
	due     map[string]bool                // guarded by mu: namespaces to look at
	news    map[chan struct{}]string       // guarded by mu: followers, the VRF of each
}

// New returns a keeper that does nothing before Run.
func New(k Kernel, log *slog.Logger) *Keeper {
	return &Keeper{
		kernel: k, log: log, wake: make(chan struct{}, 1), changed: func() {},
		devices: make(map[rib.Binding]*device), holds: make(map[rib.Binding]map[uint32]int), due: make(map[string]bool), news: make(map[chan struct{}]string),
	}
}

// OnChange has f called when Why or Trouble has another answer. It is called before Run.
func (k *Keeper) OnChange(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed = f
}

// Configure has exactly these devices there. One that was wanted before is removed when no worker has
// it open any more; but for those of bound, the bindings of VRFs whose devices are not made here:
// these are left as they are.
func (k *Keeper) Configure(wanted []Wanted, bound []rib.Binding) {
	k.mu.Lock()
	defer k.mu.Unlock()
	stays := make(map[rib.Binding]bool, len(wanted)+len(bound))
	for _, w := range wanted {
		w.In = spelled(w.In)
		stays[w.In] = true
		k.want(w)
	}
	for _, b := range bound {
		if b = spelled(b); !stays[b] {
			stays[b] = true
			k.drop(b)
		}
	}
	for b, d := range k.devices {
		if !stays[b] && !d.goes {
			k.devices[b] = &device{is: d.is, before: d.before, goes: true, ended: make(chan struct{})}
			k.look(b.Netns)
		}
	}
}

// want has a device there. The caller holds mu.
func (k *Keeper) want(w Wanted) {
	d := k.devices[w.In]
	switch {
	case d != nil && !d.goes && d.is.VRF == w.VRF && d.is.Table == w.Table && d.is.Protocol == w.Protocol && slices.Equal(d.is.Interfaces, w.Interfaces):
		return
	case d == nil:
		d = &device{is: w, why: notYet}
	default:
		next := &device{is: w, before: d.before, why: d.why, trouble: d.trouble}
		if d.is.VRF != w.VRF {
			next.before = d.is.VRF
		}
		next.lets = slices.DeleteFunc(slices.Concat(d.lets, d.is.Interfaces), func(name string) bool { return slices.Contains(w.Interfaces, name) })
		if d.goes || d.is.Table != w.Table || d.is.VRF != w.VRF {
			next.why = notYet
		}
		k.drop(w.In)
		d = next
	}
	k.devices[w.In] = d
	k.look(w.In.Netns)
}

// drop forgets a device. The caller holds mu.
func (k *Keeper) drop(b rib.Binding) {
	if d := k.devices[b]; d != nil && d.goes {
		close(d.ended)
	}
	delete(k.devices, b)
}

// Gone waits until the device of a binding is removed, if it is to be.
func (k *Keeper) Gone(ctx context.Context, b rib.Binding) error {
	k.mu.Lock()
	d := k.devices[spelled(b)]
	k.mu.Unlock()
	if d == nil || !d.goes {
		return nil
	}
	select {
	case <-d.ended:
		return nil
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return fmt.Errorf("the VRF device %s in %s is not removed yet (%s); it is tried again", b.Device, rib.NetnsText(b.Netns), cmp.Or(d.why, "its turn has not come"))
}

// Leave has a device removed that an earlier run made, unless it is wanted by now.
func (k *Keeper) Leave(w Wanted) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w.In = spelled(w.In)
	switch d := k.devices[w.In]; {
	case d == nil:
		k.devices[w.In] = &device{is: w, goes: true, ended: make(chan struct{})}
	case !d.goes && d.is.VRF != w.VRF:
		k.devices[w.In] = &device{is: d.is, before: w.VRF, why: notYet}
	}
	k.look(w.In.Netns)
}

// Going tells whether a device of a VRF is there that is to be removed.
func (k *Keeper) Going(vrf string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range k.devices {
		if d.goes && d.is.VRF == vrf || d.before == vrf {
			return true
		}
	}
	return false
}

// Hold keeps the device of a binding as it is, while a worker may have its table open, until release;
// table 0: whichever it has.
func (k *Keeper) Hold(b rib.Binding, table uint32) (release func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b = spelled(b)
	if k.holds[b] == nil {
		k.holds[b] = make(map[uint32]int)
	}
	k.holds[b][table]++
	return sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.holds[b][table]--; k.holds[b][table] == 0 {
			delete(k.holds[b], table)
		}
		if len(k.holds[b]) == 0 {
			delete(k.holds, b)
		}
		k.look(b.Netns)
	})
}

// held tells whether a worker may have another table open than the one that is wanted. The caller
// holds mu.
func (k *Keeper) held(d *device) bool {
	for table := range k.holds[d.is.In] {
		if d.goes || table != d.is.Table && table != 0 {
			return true
		}
	}
	return false
}

// Why is why a VRF has no table at its device; "": it has, or the device is not made here.
func (k *Keeper) Why(b rib.Binding) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d := k.devices[spelled(b)]; d != nil && !d.goes {
		return d.why
	}
	return ""
}

// Trouble is why interfaces that belong into a VRF's device are not in it; "": they are.
func (k *Keeper) Trouble(b rib.Binding) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d := k.devices[spelled(b)]; d != nil && !d.goes {
		return d.trouble
	}
	return ""
}

// Follow signals whenever Why of a VRF's device has another answer, until stop.
func (k *Keeper) Follow(vrf string) (news <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.news[ch] = vrf
	return ch, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.news, ch)
	}
}

// look has a namespace looked at. The caller holds mu.
func (k *Keeper) look(netns string) {
	k.due[netns] = true
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// again has a namespace looked at again.
func (k *Keeper) again(netns string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look(netns)
}

// succeeded takes in that nothing is left of the VRF that had the device before.
func (k *Keeper) succeeded(d *device) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d.before = ""
}

// inTheWay is the device that is to be removed before another one can be made; "": none is.
func (k *Keeper) inTheWay(d *device) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for b, other := range k.devices {
		if other.goes && b.Netns == d.is.In.Netns && (other.is.VRF == d.is.VRF || other.is.Table == d.is.Table) {
			return b.Device
		}
	}
	return ""
}

// claimed tells whether an interface belongs into a device.
func (k *Keeper) claimed(netns, name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for b, d := range k.devices {
		if b.Netns == netns && !d.goes && slices.Contains(d.is.Interfaces, name) {
			return true
		}
	}
	return false
}

// say takes in how a device fares. What is wanted otherwise by now is looked at again anyhow.
func (k *Keeper) say(d *device, why string, trouble []string) {
	text := strings.Join(trouble, "; ")
	k.mu.Lock()
	was, same := *d, k.devices[d.is.In] == d
	d.why, d.trouble = why, text
	tell := k.changed
	if same && was.why != why {
		for ch, vrf := range k.news {
			if vrf == d.is.VRF {
				select {
				case ch <- struct{}{}:
				default:
				}
			}
		}
	}
	k.mu.Unlock()
	if !same || was.why == why && was.trouble == text {
		return
	}
	tell()
	if fault := cmp.Or(why, text); fault != "" {
		k.log.Warn("the VRF device of a VRF is not as it has to be", "vrf", d.is.VRF, "netns", d.is.In.Netns, "device", d.is.In.Device, "why", fault)
	} else if was.why != notYet {
		k.log.Info("the VRF device of a VRF is as it has to be", "vrf", d.is.VRF, "netns", d.is.In.Netns, "device", d.is.In.Device)
	}
}

// Run keeps the devices true until ctx ends. They stay then.
func (k *Keeper) Run(ctx context.Context) error {
	k.pass = pass{keeper: k, watches: make(map[string]context.CancelFunc), rules: make(map[string]turns)}
	defer k.pass.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(k.pass.all(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		case <-timer.C:
		}
	}
}
