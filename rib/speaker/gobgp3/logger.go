package gobgp3

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/osrg/gobgp/v3/pkg/log"
)

// logger is GoBGP's logger over slog. Its Fatal does not end the process:
//
//   - below guard, which is around the calls that we make, it becomes the error
//     of that call;
//   - marked as a configuration's error, it may return (gobgpd does so on a
//     reload), and is the error of the guard that is under way: GoBGP calls it
//     so in its server loop, which must live on;
//   - else, on a goroutine of GoBGP's own, it becomes the error of Speaker.Run,
//     and ends that goroutine, because GoBGP does not expect it to return.
type logger struct {
	slog  *slog.Logger
	level atomic.Int32  // that a client of GoBGP's API set; followsOurs: none did
	fatal chan struct{} // closed at the first Fatal outside guard
	// down is told why a session ended, which GoBGP's events leave out; it is set
	// before BGP runs.
	down func(neighbor, reason string)
	// dials is told of attempts to connect to neighbours; nil: nobody is.
	dials *sessions
	// guarding is told of each change of a session's state; nil: nobody is.
	guarding *guarding
	// endings is told of the ends of sessions, and of neighbours; nil: nobody is.
	endings *endings
	// lostROAs is told that GoBGP has let go of what an RPKI cache sent; nil: nobody is.
	lostROAs func()
	// stateChanged is set when a session's state has changed. GoBGP says so in its
	// loop, and to nobody else before the change has had its effects.
	stateChanged atomic.Bool

	mu     sync.Mutex
	first  error // guarded by mu; the first Fatal outside guard
	config error // guarded by mu; the last one about configuration
}

func newLogger(to *slog.Logger) *logger {
	l := &logger{slog: to, fatal: make(chan struct{})}
	l.level.Store(followsOurs)
	return l
}

// fatalError is a Fatal of GoBGP. As a panic it is private to logger and guard.
type fatalError struct{ text string }

func (e *fatalError) Error() string { return e.text }

// guard calls fn and returns its error, or that of a Fatal below it. One guard
// runs at a time.
func (l *logger) guard(fn func() error) (err error) {
	_ = l.takeConfig() // of whoever called before: not this call's
	defer func() {
		switch p := recover().(type) {
		case nil:
			if config := l.takeConfig(); err == nil {
				err = config
			}
		case *fatalError:
			err = p
		default:
			panic(p)
		}
	}()
	return guarded(fn)
}

func (l *logger) takeConfig() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.config
	l.config = nil
	return err
}

// guarded is a frame that Fatal can find on the stack.
//
//go:noinline
func guarded(fn func() error) error { return fn() }

func isGuarded() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "/rib/speaker/gobgp3.guarded") {
			return true
		}
		if !more {
			return false
		}
	}
}

// Fatal implements log.Logger. It returns only where GoBGP can bear it.
func (l *logger) Fatal(msg string, fields log.Fields) {
	err := &fatalError{text: describe(msg, fields)}
	if isGuarded() {
		panic(err)
	}
	l.mu.Lock()
	if fields.HasFacility(log.FacilityConfig) {
		l.config = err
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.giveUp(fmt.Errorf("GoBGP gave up: %w", err))
	runtime.Goexit()
}

// giveUp makes err the error of Speaker.Run, unless there was one before.
func (l *logger) giveUp(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = err
		close(l.fatal)
	}
}

// err is the first Fatal on a goroutine of GoBGP's own.
func (l *logger) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

// Panic implements log.Logger. GoBGP means it: its state is not to be trusted
// any more, and the process must end.
func (l *logger) Panic(msg string, fields log.Fields) {
	l.write(slog.LevelError, msg, fields)
	panic(describe(msg, fields))
}

func (l *logger) Error(msg string, fields log.Fields) { l.write(slog.LevelError, msg, fields) }

// Info passes the ends of sessions and neighbours on. What else GoBGP says at this level the
// daemon says better, or nobody asked for, so it comes out at DEBUG.
func (l *logger) Info(msg string, fields log.Fields) {
	switch key := fmt.Sprint(fields["Key"]); msg {
	case peerDown:
		reason := fmt.Sprint(fields["Reason"])
		if l.endings != nil { // it comes first: it is in a hurry
			l.endings.ended(key, reason)
		}
		if l.down != nil {
			l.down(key, reason)
		}
	case peerDeleted:
		if l.endings != nil {
			l.endings.deleted(key)
		}
	case restarted:
		if l.guarding != nil {
			l.guarding.whole.told.synced = true
		}
	case softReset, softResetIn, softResetOut:
		if l.guarding != nil {
			l.guarding.whole.soft(key, msg != softResetOut, msg != softResetIn)
		}
	case longOver:
		if l.endings != nil {
			l.endings.longOver(key, fields["Family"])
		}
	case roasLost:
		if l.lostROAs != nil {
			l.lostROAs()
		}
	case mismatched:
		if l.dials != nil {
			l.dials.misdialed(key, fmt.Sprint(fields["Addr"]), fmt.Sprint(fields["Configured addr"]))
		}
	case stranger:
		if l.dials != nil && l.dials.strangers.isNew(key) {
			l.slog.Warn("a BGP connection was refused, because no neighbour has the address that it came from; compare the neighbours' addresses with it", "from", key)
		}
	}
	l.write(slog.LevelDebug, msg, fields)
}

// Warn drops GoBGP's line about the withdrawal of a route that it does not have.
// Every neighbour can have it say so as often as it likes, and the guard does where it
// takes an announcement for a withdrawal. What tells of sessions is the daemon's to say.
func (l *logger) Warn(msg string, fields log.Fields) {
	switch {
	case fields["Topic"] == "Table" && strings.HasPrefix(msg, "No matching path for withdraw"):
	case toldElsewhere[msg]:
		l.write(slog.LevelDebug, msg, fields)
	default:
		l.write(slog.LevelWarn, msg, fields)
	}
}

// toldElsewhere are GoBGP's warnings of which the daemon has a line of its own, with the
// neighbour's address and the reason, or a reason in `vrfredist neighbor`.
var toldElsewhere = map[string]bool{
	"sent notification":                                         true,
	"received notification":                                     true,
	"Closed an accepted connection":                             true, // of two at once one stays (RFC 4271, 6.8)
	"hold timer expired":                                        true,
	"graceful restart timer expired":                            true,
	"Session will be reset due to malformed BGP Header":         true,
	"Session will be reset due to malformed BGP message":        true,
	"Session will be reset due to malformed BGP update message": true,
	"accepted conn is closed to avoid be blocked":               true,
	"active conn is closed to avoid being blocked":              true,
	"failed to send":                                            true,
	"restart flag is not set":                                   true,
}

// Debug drops GoBGP's lines about single routes ("create Destination", …): there is
// no log line a route.
func (l *logger) Debug(msg string, fields log.Fields) {
	if msg == stateChange {
		l.stateChanged.Store(true)
		if l.dials != nil {
			l.dials.moved(fmt.Sprint(fields["Key"]), fmt.Sprint(fields["old"]), fmt.Sprint(fields["new"]), fmt.Sprint(fields["reason"]))
		}
		if l.guarding != nil {
			l.guarding.stateChanged(fields)
		}
		if l.endings != nil {
			l.endings.stateChanged(fields)
		}
	}
	if (msg == deferredLong || msg == targetsLong) && l.guarding != nil {
		l.guarding.whole.told.late(fmt.Sprint(fields["Key"]), fields["Families"])
	}
	if fields["Topic"] != "Table" {
		l.write(slog.LevelDebug, msg, fields)
	}
}

// GoBGP's messages when a session's state changes, in its loop; when a session has ended,
// on the session's goroutine; when a neighbour is about to be taken out, in the loop; and when
// it lets go of what an RPKI cache sent that is away too long, in the loop.
const (
	stateChange = "state changed"
	peerDown    = "Peer Down"
	peerDeleted = "Delete a peer configuration"
	roasLost    = "Deleting all ROAs due to timeout"
)

// GoBGP's messages, in its loop, before it judges anew what a neighbour sent, tells it all again, or
// does both.
const (
	softReset    = "Neighbor soft reset"
	softResetIn  = "Neighbor soft reset in"
	softResetOut = "Neighbor soft reset out"
)

// longOver is GoBGP's message, in its loop, before it withdraws what it has kept long of a family.
const longOver = "LLGR restart timer expired"

// GoBGP's messages, in its loop, when it has told all neighbours because its restart is over, and
// when it does not wait for that any more and is about to tell one of them.
const (
	restarted    = "sync finished"
	deferredLong = "deferral timer expired"
	targetsLong  = "route-target deferral timer expired"
)

// GoBGP's messages when a neighbour dials another address of ours than local-address, and
// when somebody dials in who is no neighbour; both in its loop.
const (
	mismatched = "Mismatched local address"
	stranger   = "Can't find configuration for a new passive connection"
)

// followsOurs is no level of GoBGP's: its lines are as many as ours.
const followsOurs = -1

// SetLevel implements log.Logger, for clients of GoBGP's API.
func (l *logger) SetLevel(level log.LogLevel) { l.level.Store(int32(level)) }

// GetLevel implements log.Logger. GoBGP asks for each message, and for some routes.
func (l *logger) GetLevel() log.LogLevel {
	switch level := l.level.Load(); {
	case level != followsOurs:
		return log.LogLevel(level)
	case l.slog.Enabled(context.Background(), slog.LevelDebug):
		return log.DebugLevel
	}
	return log.InfoLevel
}

var levels = map[slog.Level]log.LogLevel{
	slog.LevelError: log.ErrorLevel,
	slog.LevelWarn:  log.WarnLevel,
	slog.LevelInfo:  log.InfoLevel,
	slog.LevelDebug: log.DebugLevel,
}

func (l *logger) write(level slog.Level, msg string, fields log.Fields) {
	if levels[level] > l.GetLevel() || !l.slog.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, len(fields))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if k != log.FieldFacility {
			attrs = append(attrs, slog.Any(strings.ToLower(k), plain(fields[k])))
		}
	}
	l.slog.LogAttrs(context.Background(), level, "gobgp: "+msg, attrs...)
}

// plain keeps values that read well in a log and turns others, such as GoBGP's
// configuration structs, into text.
func plain(v any) any {
	switch v := v.(type) {
	case string, bool, int, int64, uint32, uint64, float64:
		return v
	case error:
		return v.Error()
	}
	return fmt.Sprint(v)
}

func describe(msg string, fields log.Fields) string {
	s := msg
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if k != log.FieldFacility && k != "Topic" {
			s += fmt.Sprintf(", %s %v", strings.ToLower(k), fields[k])
		}
	}
	return s
}
