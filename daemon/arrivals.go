package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
)

// arrivals look what there is on this machine that templates may match, and have the changer take it
// in. Its methods but run are called one at a time, by the changer and before it is there.
type arrivals struct {
	host    tenantKernel
	changed chan struct{} // there may be others
	timer   *time.Timer   // fires when an id that a tenant waits for can be had
	seeks   config.Seeks  // of the configuration in force
	behind  bool          // what there was the last time could not be taken in
	links   *linkBook
	callers dialers
	log     *slog.Logger
}

func newArrivals(host tenantKernel, log *slog.Logger) *arrivals {
	t := &arrivals{host: host, changed: make(chan struct{}, 1), timer: time.NewTimer(time.Hour), log: log}
	t.links = newLinkBook(host, t.wake, log)
	t.timer.Stop()
	return t
}

// wake has it looked again.
func (t *arrivals) wake() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// run watches namespaces and VRF devices, and the addresses of tenants where a template asks for
// them, until ctx ends.
func (t *arrivals) run(ctx context.Context) error {
	defer t.links.end()
	return t.host.Watch(ctx, t.changed)
}

// news is signalled when it is to be looked again. Of none it never is.
func (t *arrivals) news() <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.changed
}

// look returns what there is.
func (t *arrivals) look(ctx context.Context, seeks config.Seeks) ([]config.Sight, error) {
	list, err := t.host.List(ctx, seeks.Paths)
	if err != nil {
		return nil, err
	}
	sights := make([]config.Sight, 0, len(list))
	var linked []rib.Tenant
	for _, is := range list {
		s := config.Sight{Name: is.Name, Device: is.Device, Dev: is.Dev, Inode: is.Inode, Own: is.Own}
		if !is.Own && seeks.Wants(is.Device, is.Name) && seeks.WantsLinks(is.Name) {
			linked = append(linked, is)
			s.Links, s.Callers = t.links.of(ctx, is), t.callers.of(is.Name)
		}
		sights = append(sights, s)
	}
	t.links.only(linked)
	t.callers.only(linked)
	return sights, nil
}

// follow looks again where a configuration that has come into force asks for something else, and
// when an id that a tenant waits for can be had.
func (t *arrivals) follow(now *config.Config) {
	if t == nil {
		return
	}
	t.timer.Stop()
	if next := now.NextID(); !next.IsZero() {
		t.timer = time.AfterFunc(max(time.Until(next), time.Second), t.wake)
	}
	seeks := now.Seeks()
	if seeks.Nothing() {
		t.links.only(nil)
	} else if !reflect.DeepEqual(seeks, t.seeks) {
		t.wake()
	}
	t.seeks = seeks
}

// called takes in that a router of a tenant dialled in.
func (t *arrivals) called(tenant string, caller netip.Addr) {
	fresh, full := t.callers.add(tenant, caller)
	if full {
		t.log.Debug("more routers of a tenant want to dial in than may", "vrf", tenant, "caller", caller, "most", mostDialers)
	}
	if fresh {
		t.wake()
	}
}

// takeInAgain is how long after a failure tenants are taken in again.
const takeInAgain = 10 * time.Second

// takeIn takes in who there is now: what came of templates is another VRF, and what went is none.
func (t *arrivals) takeIn(ctx context.Context, c *changer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.force.config()
	seeks := now.Seeks()
	if seeks.Nothing() {
		return
	}
	sights, err := t.look(ctx, seeks)
	if err == nil {
		was := c.layers.sights()
		c.layers.appear(people{sights: sights})
		if due := now.NextID(); !t.behind && sameSights(seeks, was, sights) && (due.IsZero() || time.Now().Before(due)) {
			return
		}
		err = t.admit(context.WithoutCancel(ctx), c, now)
	}
	t.behind = err != nil
	if err != nil && ctx.Err() == nil {
		t.log.Error("the tenants of templates could not be brought up to date; it is tried again", "in", takeInAgain, "err", err)
		t.timer.Stop()
		t.timer = time.AfterFunc(takeInAgain, t.wake)
	}
}

// admit brings the VRFs of the tenants that there are into force.
func (t *arrivals) admit(ctx context.Context, c *changer, now *config.Config) error {
	next, err := c.layers.under(now)
	if err != nil {
		return err
	}
	if next, err = c.numbers.give(ctx, next); err != nil {
		return err
	}
	m := &move{old: now, next: next, before: c.force.over(now), after: c.force.over(next), tenants: true}
	applied, err := c.move(ctx, m)
	if applied && err != nil {
		t.log.Error("not all went well with the tenants of templates", "err", err)
		return nil // a worker reports it too
	}
	return err
}

// sameSights tells whether two lists have the same of what is asked for.
func sameSights(seeks config.Seeks, a, b []config.Sight) bool {
	wanted := func(list []config.Sight) []config.Sight {
		return slices.DeleteFunc(slices.Clone(list), func(s config.Sight) bool {
			return !seeks.Wants(s.Device, s.Name) && !slices.Contains(seeks.Bound, s.Name) && !slices.Contains(seeks.Paths, s.Name)
		})
	}
	return slices.EqualFunc(wanted(a), wanted(b), config.Sight.Equal)
}
