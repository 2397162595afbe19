package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// A table belongs to one daemon: a second one would take the first one's routes for
// what an earlier run left, and sweep them. Who owns a table listens on an abstract
// unix socket inside the table's namespace, which is named by the table and the
// route protocol. Such a name is there for all who can be in that namespace, whatever
// file system and process namespace they see, and goes with its process.

// Owner is how a daemon names itself to another that wants a table of its own.
type Owner struct {
	PID  int    `json:"pid"` // in its own process namespace
	Host string `json:"host"`
	File string `json:"file"` // its configuration
}

// claimKey is what one daemon owns.
type claimKey struct {
	ns       identity
	table    uint32
	protocol uint8
}

func (c *Conn) claimKey() claimKey {
	return claimKey{identity{c.where.Dev, c.where.Inode}, c.where.Table, c.protocol}
}

func (k claimKey) socket() string {
	return fmt.Sprintf("@vrfredist/table/%d/protocol/%d", k.table, k.protocol)
}

// claim is what this daemon owns, or nobody can be kept from: a stranger holds the
// name.
type claim struct {
	holder  *holder // nil: a stranger has the name
	binding rib.Binding
	users   int // open Conns; 0: kept for the next worker
}

// claims are those of one daemon.
type claims struct {
	log *slog.Logger

	mu     sync.Mutex // guards what follows; not held while another program is asked
	as     Owner
	all    map[claimKey]*claim
	rivals map[claimKey]rib.Rival
	awaits map[*await]struct{}
}

func newClaims(log *slog.Logger) *claims {
	name, _ := os.Hostname() // "": it has none
	return &claims{
		log: log, as: Owner{PID: os.Getpid(), Host: name},
		all:    make(map[claimKey]*claim),
		rivals: make(map[claimKey]rib.Rival),
		awaits: make(map[*await]struct{}),
	}
}

// Identify says with which configuration this daemon runs. It is called before Own.
func (h *Host) Identify(file string) {
	h.claims.mu.Lock()
	defer h.claims.mu.Unlock()
	h.claims.as.File = file
}

// Own is Open for who is to write: where another daemon owns the table, the error
// matches rib.ErrAbsent and names that one, and a watch of the binding (Await) is
// signalled when it ends. After Close the table stays this daemon's, for the next
// worker of the VRF, unless the binding was gone; Disown ends that.
func (h *Host) Own(ctx context.Context, b rib.Binding, protocol uint8) (*Conn, error) {
	c, err := h.Open(ctx, b, protocol)
	if err != nil {
		return nil, err
	}
	if err := h.claim(ctx, c); err != nil {
		_ = c.Close() // the error that counts is the first
		return nil, fmt.Errorf("open %v: %w", b, err)
	}
	return c, nil
}

// Disown gives up the tables that were owned for a binding and are not open.
func (h *Host) Disown(b rib.Binding) {
	h.claims.release(func(_ claimKey, c *claim) bool { return c.binding == b && c.users == 0 })
}

// Rivals are the programs that hold the name of a table of ours: those that this
// daemon waits for, and strangers.
func (h *Host) Rivals() []rib.Rival {
	h.claims.mu.Lock()
	defer h.claims.mu.Unlock()
	out := make([]rib.Rival, 0, len(h.claims.rivals))
	for _, r := range h.claims.rivals {
		out = append(out, r)
	}
	return out
}

// Between the end of one owner and its name's there is a moment, and so there is
// between a name and its listener.
const (
	claimTries = 10
	claimWait  = 10 * time.Millisecond
)

// claim makes c's table this daemon's.
func (h *Host) claim(ctx context.Context, c *Conn) error {
	key := c.claimKey()
	for try := 1; ; try++ {
		if h.claims.share(key, c) {
			return nil
		}
		holder, err := h.hold(c, key)
		if err == nil {
			h.claims.add(key, c, holder)
			return nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return fmt.Errorf("say that its table is ours: %w", err)
		}
		found, err := h.ask(c, key)
		switch {
		case err != nil && try < claimTries:
			if found.conn != nil {
				_ = found.conn.Close() // only looked at: nothing can be lost
			}
			if err := pause(ctx, claimWait); err != nil {
				return err
			}
		case err == nil && found.ours:
			h.claims.join(key, c)
			return nil
		case found.believed():
			return h.claims.refused(key, c, found)
		default: // one that cannot be asked is no daemon
			h.claims.stranger(key, c, found)
			return nil
		}
	}
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
	c.mu.Lock()
	gone := c.events.Gone
	c.mu.Unlock()
	key := c.claimKey()
	o.mu.Lock()
	if have := o.all[key]; have != nil {
		have.users--
	}
	o.mu.Unlock()
	if gone {
		o.release(func(k claimKey, have *claim) bool { return k == key && have.users == 0 })
	}
}

// release gives up what goes is true of.
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

// refused has who waits for the binding told when the daemon ends that owns its
// table.
func (o *claims) refused(key claimKey, c *Conn, found rival) error {
	said := found.said(c, key)
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

// rival notes who holds the name of a table; nil: nobody does.
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

// stranger notes that a name is another user's, which is no reason to stop: or any
// user who can be in the namespace could stop a daemon.
func (o *claims) stranger(key claimKey, c *Conn, found rival) {
	said := found.said(c, key)
	o.add(key, c, nil)
	o.mu.Lock()
	old, known := o.rivals[key]
	o.rivals[key] = said
	o.mu.Unlock()
	if !known || old != said {
		o.log.Warn(said.String()+"; it is not believed, so that a second vrfredist would not be kept from this table", "socket", key.socket())
	}
	c.squatter = c.host.outlast(c, key, found.conn)
}
