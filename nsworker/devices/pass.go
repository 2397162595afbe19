package devices

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	retryFirst = 500 * time.Millisecond
	retryMost  = 30 * time.Second
	// lookAfter is how often it is seen to that the ends of a table are there: of those nobody
	// tells.
	lookAfter = 5 * time.Minute
	never     = time.Hour
)

// state is what Run knows of a device.
type state struct {
	seen   time.Time        // when its table's ends, and the rule, were last seen to; zero: never
	at     time.Time        // when it is looked at again; zero: when something happens
	failed int              // how often in a row something of it could not be done
	made   turns            // how often it was made, or set up
	taken  map[string]turns // how often interfaces were enslaved
}

// pass looks at what is due. It belongs to the goroutine of Keeper.Run.
type pass struct {
	keeper  *Keeper
	watches map[string]context.CancelFunc // by namespace
	rules   map[string]turns              // by namespace: how often the rule was added
	joins   sync.WaitGroup                // their goroutines
}

// all makes one pass over the namespaces that are due, and says when there is more to do.
func (p *pass) all(ctx context.Context) (next time.Duration) {
	next = never
	in, spaces := p.take(time.Now())
	p.watch(ctx, spaces)
	for _, netns := range in {
		if ctx.Err() == nil {
			p.space(ctx, netns)
		}
	}
	now := time.Now()
	for _, d := range p.list(func(*device) bool { return true }) {
		if at := d.now.at; !at.IsZero() {
			next = min(next, max(0, at.Sub(now)))
		}
	}
	return next
}

// list are the devices that are asked for: those that go first, and in the order of names.
func (p *pass) list(wants func(*device) bool) (list []*device) {
	k := p.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range k.devices {
		if wants(d) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b *device) int {
		if a.goes != b.goes {
			if a.goes {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.is.In.Device, b.is.In.Device)
	})
	return list
}

// take takes the namespaces that are due, and says in which there are devices.
func (p *pass) take(now time.Time) (due []string, spaces map[string]bool) {
	spaces = make(map[string]bool)
	k := p.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	for b, d := range k.devices {
		spaces[b.Netns] = true
		if at := d.now.at; !at.IsZero() && !now.Before(at) {
			k.due[b.Netns] = true
		}
	}
	for netns := range k.due {
		due = append(due, netns)
	}
	clear(k.due)
	slices.Sort(due)
	return due, spaces
}

// space looks at the devices of a namespace.
func (p *pass) space(ctx context.Context, netns string) {
	mine := p.list(func(d *device) bool { return d.is.In.Netns == netns })
	if len(mine) == 0 {
		return
	}
	in := rib.Binding{Netns: netns}
	links, err := p.keeper.kernel.Links(ctx, in)
	if ctx.Err() != nil {
		return
	}
	if err != nil && !errors.Is(err, rib.ErrAbsent) {
		for _, d := range mine {
			p.failed(d, fmt.Errorf("its VRF device cannot be looked at: %w", err))
		}
		return
	}
	fault := p.rule(ctx, mine, links)
	var made []*device // which links do not have yet
	for _, d := range mine {
		switch {
		case d.goes:
			p.remove(ctx, d)
		case err != nil:
			p.rests(d, time.Time{})
			p.keeper.say(d, absence(err), nil)
		case p.have(ctx, d, links):
			made = append(made, d)
		default:
			p.fill(ctx, d, links, fault)
		}
	}
	if len(made) == 0 {
		return
	}
	if links, err = p.keeper.kernel.Links(ctx, in); err != nil {
		p.keeper.again(netns)
		return
	}
	fault = p.rule(ctx, made, links)
	for _, d := range made {
		p.fill(ctx, d, links, fault)
	}
}

// rule has the rule there that leads to the devices of a namespace, if one of them is there. The fault is
// why it is not.
func (p *pass) rule(ctx context.Context, mine []*device, links rib.Links) (fault string) {
	at := slices.IndexFunc(mine, func(d *device) bool {
		v := judge(links, &d.is, d.before)
		return !d.goes && !v.make && v.lacks == ""
	})
	if at < 0 {
		return ""
	}
	d, now := mine[at], time.Now()
	t := p.rules[d.is.In.Netns]
	if !now.Before(t.until) {
		added, err := p.keeper.kernel.AddDeviceRule(ctx, rib.Binding{Netns: d.is.In.Netns}, d.is.Protocol)
		if added {
			t.may(now, "removes the rule l3mdev of "+rib.NetnsText(d.is.In.Netns))
		}
		if err != nil {
			t.refused(now, err.Error())
		}
		p.rules[d.is.In.Netns] = t
	}
	if now.Before(t.until) {
		return t.said
	}
	return ""
}

// absence is what is not there, without the operation that found it out.
func absence(err error) string {
	for inner := errors.Unwrap(err); inner != nil && errors.Is(inner, rib.ErrAbsent); inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// waits tells whether a worker still has the table of a device open.
func (p *pass) waits(d *device) bool {
	p.keeper.mu.Lock()
	defer p.keeper.mu.Unlock()
	return p.keeper.held(d)
}

// rests sets when a device is looked at again.
func (p *pass) rests(d *device, at time.Time) { d.now.at, d.now.failed = at, 0 }

// failed takes in that something of a device could not be done.
func (p *pass) failed(d *device, err error) {
	d.now.at = time.Now().Add(min(retryMost, retryFirst<<min(d.now.failed, 10)))
	d.now.failed++
	p.keeper.say(d, err.Error(), nil)
}

// remove removes a device that no worker has open.
func (p *pass) remove(ctx context.Context, d *device) {
	if p.waits(d) {
		return // who lets go of it has it looked at
	}
	for _, vrf := range slices.Compact([]string{d.is.VRF, cmp.Or(d.before, d.is.VRF)}) {
		if err := p.keeper.kernel.RemoveVRF(ctx, d.is.In, d.is.device(vrf), d.is.Protocol); err != nil {
			p.failed(d, fmt.Errorf("its VRF device could not be removed: %w", err))
			return
		}
	}
	k := p.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.devices[d.is.In] == d {
		k.drop(d.is.In)
	}
	k.look(d.is.In.Netns) // others may have waited for that
	k.log.Info("the VRF device of a VRF that is no more is removed", "vrf", d.is.VRF, "netns", d.is.In.Netns, "device", d.is.In.Device)
}

// have has a device there, and tells whether it was made for that.
func (p *pass) have(ctx context.Context, d *device, links rib.Links) bool {
	now := time.Now()
	v := judge(links, &d.is, d.before)
	old := now.Sub(d.now.seen) >= lookAfter || d.now.seen.IsZero()
	switch {
	case p.waits(d):
		p.rests(d, time.Time{})
		p.keeper.say(d, "its VRF device is made anew when nothing has its table open any more", nil)
		return false
	case v.lacks != "":
		p.rests(d, time.Time{})
		p.keeper.say(d, v.lacks, nil)
		return false
	case v.make && p.keeper.inTheWay(d) != "":
		p.rests(d, time.Time{})
		p.keeper.say(d, "its VRF device is made when "+p.keeper.inTheWay(d)+" is removed, whose worker is ending", nil)
		return false
	case d.now.failed > 0 && now.Before(d.now.at):
		return false
	case v.make && !d.now.made.may(now, "removes the VRF device "+d.is.In.Device+" or sets it down"):
		p.rests(d, d.now.made.until)
		p.keeper.say(d, d.now.made.said, nil)
		return false
	case v.make, old && ownedBy(links, &d.is):
		if err := p.make(ctx, d); err != nil {
			p.failed(d, err)
			return false
		}
	}
	if v.make || old {
		d.now.seen = now
	}
	p.rests(d, d.now.seen.Add(lookAfter))
	if v.make {
		p.keeper.succeeded(d)
		p.keeper.log.Info("the VRF device of a VRF is made", "vrf", d.is.VRF, "netns", d.is.In.Netns, "device", d.is.String()+d.is.with())
	}
	return v.make
}

// ownedBy tells whether a device has the mark of its VRF.
func ownedBy(links rib.Links, w *Wanted) bool {
	k, there := links.ByName(w.In.Device)
	return there && k.Alias == rib.OwnDeviceMark(w.VRF)
}

// make makes a device, or changes what differs.
func (p *pass) make(ctx context.Context, d *device) error {
	k := p.keeper.kernel
	if d.before != "" {
		if err := k.RemoveVRF(ctx, d.is.In, d.is.device(d.before), d.is.Protocol); err != nil {
			return err
		}
	}
	return k.MakeVRF(ctx, d.is.In, d.is.device(d.is.VRF), d.is.Protocol)
}
