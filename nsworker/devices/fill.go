package devices

import (
	"context"
	"fmt"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// fill puts the interfaces into a device that is there.
func (p *pass) fill(ctx context.Context, d *device, links rib.Links, fault string) {
	v := judge(links, &d.is, d.before)
	if v.make || v.lacks != "" || d.now.failed > 0 || p.waits(d) {
		return // and said so
	}
	if fault != "" {
		v.trouble = append(v.trouble, fault)
		p.sooner(d, p.rules[d.is.In.Netns].until)
	}
	v.trouble = append(v.trouble, p.letGo(ctx, d, v.index, links)...)
	now := time.Now()
	for _, link := range v.take {
		if d.now.taken == nil {
			d.now.taken = make(map[string]turns)
		}
		t := d.now.taken[link.Name]
		if t.may(now, fmt.Sprintf("takes the interface %s out of the VRF device %s", link.Name, d.is.In.Device)) {
			if err := p.keeper.kernel.Enslave(ctx, d.is.In, link.Index, v.index); err != nil {
				t.refused(now, fmt.Sprintf("the interface %s cannot be put into the VRF device %s: %v", link.Name, d.is.In.Device, err))
			}
		}
		if now.Before(t.until) {
			v.trouble = append(v.trouble, t.said)
			p.sooner(d, t.until)
		}
		d.now.taken[link.Name] = t
	}
	p.keeper.say(d, "", v.trouble)
}

// letGo takes the interfaces out of a device of ours that do not belong into it any more, but for those
// that another device takes. The trouble is which ones cannot be.
func (p *pass) letGo(ctx context.Context, d *device, index int, links rib.Links) (trouble []string) {
	var left []string
	for _, name := range d.lets {
		link, there := links.ByName(name)
		if !there || link.Master != index || !ownedBy(links, &d.is) || p.keeper.claimed(d.is.In.Netns, name) {
			continue
		}
		if err := p.keeper.kernel.Enslave(ctx, d.is.In, link.Index, 0); err != nil {
			trouble = append(trouble, fmt.Sprintf("the interface %s, which does not belong into the VRF device %s any more, is not let go: %v", name, d.is.In.Device, err))
			left = append(left, name)
			p.sooner(d, time.Now().Add(retryMost))
		}
	}
	k := p.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	d.lets = left
	return trouble
}

// sooner has a device looked at no later than at some time.
func (p *pass) sooner(d *device, at time.Time) {
	if d.now.at.IsZero() || at.Before(d.now.at) {
		d.now.at = at
	}
}
