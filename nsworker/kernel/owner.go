package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// A table belongs to one daemon: a second daemon would take the first one's routes for
// leftovers of an earlier run, and sweep them. A table's owner listens on an abstract
// unix socket inside the table's namespace, which is named by the table and the
// route protocol. Such a name is visible to every process in that namespace, whatever
// file system and process namespace it sees, and goes with the process that has it.

// Owner is how a daemon names itself to a second one that wants a table which it owns.
type Owner struct {
	PID  int    `json:"pid"` // in its own process namespace
	Host string `json:"host"`
	File string `json:"file"` // its configuration
}

// claimKey names a table, with the route protocol under which it is owned.
type claimKey struct {
	ns       identity
	table    uint32
	protocol uint8
}

func (k claimKey) socket() string {
	return fmt.Sprintf("@vrfredist/table/%d/protocol/%d", k.table, k.protocol)
}

// claim is a table that this daemon owns. Where a stranger has the name, a second
// daemon cannot be kept from the table.
type claim struct {
	holder  *holder // nil: a stranger has the name
	binding rib.Binding
	users   int // open Conns; 0: kept for the next worker
}

// claims are the tables that this daemon owns.
type claims struct {
	spaces *Namespaces
	log    *slog.Logger

	mu     sync.Mutex // guards the rest; not held while another program is asked
	as     Owner
	all    map[claimKey]*claim
	rivals map[claimKey]rib.Rival
	awaits map[*await]struct{}
}

func newClaims(spaces *Namespaces, log *slog.Logger) *claims {
	name, _ := os.Hostname() // "": it has none
	return &claims{
		spaces: spaces, log: log, as: Owner{PID: os.Getpid(), Host: name},
		all:    make(map[claimKey]*claim),
		rivals: make(map[claimKey]rib.Rival),
		awaits: make(map[*await]struct{}),
	}
}

// identify says with which configuration this daemon runs.
func (o *claims) identify(file string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.as.File = file
}

// listRivals are the programs that hold the name of a table of ours.
func (o *claims) listRivals() []rib.Rival {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]rib.Rival, 0, len(o.rivals))
	for _, r := range o.rivals {
		out = append(out, r)
	}
	return out
}

// An owner ends a moment before its name is free, and has its name a moment before it
// listens.
const (
	claimTries = 10
	claimWait  = 10 * time.Millisecond
)

// take makes c's table this daemon's.
func (o *claims) take(ctx context.Context, c *Conn) error {
	key := c.claimKey()
	for try := 1; ; try++ {
		if o.share(key, c) {
			return nil
		}
		holder, err := o.hold(c, key)
		if err == nil {
			o.add(key, c, holder)
			return nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return fmt.Errorf("say that its table is ours: %w", err)
		}
		found, err := askRival(o.spaces, c.mon.ns, key)
		switch {
		case err != nil && try < claimTries:
			if found.conn != nil {
				_ = found.conn.Close() // only looked at: nothing can be lost
			}
			if err := pause(ctx, claimWait); err != nil {
				return err
			}
		case err == nil && found.ours:
			o.join(key, c)
			return nil
		case found.believed():
			return o.refused(key, c, found)
		default: // a program that cannot be asked is no daemon
			o.stranger(key, c, found)
			return nil
		}
	}
}

// hold takes the name of a table inside its namespace. Where somebody has the name,
// the error is EADDRINUSE.
func (o *claims) hold(c *Conn, key claimKey) (*holder, error) {
	o.mu.Lock()
	says, err := json.Marshal(o.as)
	o.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("say who we are: %w", err)
	}
	var ln *net.UnixListener
	err = o.spaces.within(c.mon.ns, func() (err error) {
		ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: key.socket(), Net: "unix"})
		return err
	})
	if err != nil {
		return nil, err
	}
	return newHolder(ln, append(says, '\n')), nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// share makes c a user of a table that this daemon owns already.
func (o *claims) share(key claimKey, c *Conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	have := o.all[key]
	if have == nil || have.holder == nil && have.users == 0 { // a stranger may have gone
		return false
	}
	have.binding = c.binding
	have.users++
	c.claimed = true
	return true
}

func (o *claims) add(key claimKey, c *Conn, holder *holder) {
	// A table that the binding had before a worker failed is not its own any longer.
	o.release(func(k claimKey, old *claim) bool { return old.binding == c.binding && old.users == 0 && k != key })
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all[key] = &claim{holder: holder, binding: c.binding, users: 1}
	if holder != nil {
		delete(o.rivals, key)
	}
	c.claimed = true
}

// join is add where the name turned out to be this process's: another Conn took it
// a moment ago.
func (o *claims) join(key claimKey, c *Conn) {
	if !o.share(key, c) {
		o.add(key, c, nil)
	}
}

// leave ends c's use of its table.
func (o *claims) leave(c *Conn) {
	if !c.claimed {
		return
	}
	gone, key := c.inbox.isGone(), c.claimKey()
	o.mu.Lock()
	if have := o.all[key]; have != nil {
		have.users--
	}
	o.mu.Unlock()
	if gone {
		o.release(func(k claimKey, have *claim) bool { return k == key && have.users == 0 })
	}
}

// release gives up the claims of which goes is true.
func (o *claims) release(goes func(claimKey, *claim) bool) {
	var ending []*holder
	o.mu.Lock()
	for key, c := range o.all {
		if !goes(key, c) {
			continue
		}
		delete(o.all, key)
		delete(o.rivals, key)
		if c.holder != nil {
			ending = append(ending, c.holder)
		}
	}
	o.mu.Unlock()
	for _, holder := range ending {
		holder.close()
	}
}

// refused has the await of the binding signalled when the daemon ends that owns the
// table.
func (o *claims) refused(key claimKey, c *Conn, found rival) error {
	said := found.said(c.binding.Netns, key)
	var waits *await
	o.mu.Lock()
	for a := range o.awaits {
		if a.binding == c.binding {
			waits = a
		}
	}
	o.mu.Unlock()
	if (waits == nil || !waits.outlive(found.conn, key, said)) && found.conn != nil {
		_ = found.conn.Close() // only looked at: nothing can be lost
	}
	return rib.Absent(said.String() + "; it is taken over when that one ends")
}

// rival notes the program that holds the name of a table; nil: none does.
func (o *claims) rival(key claimKey, said *rib.Rival) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if said == nil {
		delete(o.rivals, key)
	} else {
		o.rivals[key] = *said
	}
}

func (o *claims) waits(a *await, on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if on {
		o.awaits[a] = struct{}{}
	} else {
		delete(o.awaits, a)
	}
}

// stranger notes that another user's program has a name. That is no reason to stop: any
// user who can be in the namespace could stop a daemon so.
func (o *claims) stranger(key claimKey, c *Conn, found rival) {
	said := found.said(c.binding.Netns, key)
	o.add(key, c, nil)
	o.mu.Lock()
	old, known := o.rivals[key]
	o.rivals[key] = said
	o.mu.Unlock()
	if !known || old != said {
		o.log.Warn(said.String()+"; it is not believed, so that a second vrfredist would not be kept from this table", "socket", key.socket())
	}
	c.squatter = newSquatter(o, c, key, found.conn)
}
