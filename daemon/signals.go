package daemon

import (
	"os"
	"os/signal"
	"syscall"
)

// signals are what the daemon heeds, from the first moment of its process on: the
// start takes seconds with many neighbours. What ends it has a channel of its own,
// because os/signal drops a signal that finds its channel full, and one that asks
// for a reload waits there while another reload is under way. Each holds one: a
// second of the same says nothing new.
type signals struct {
	end    chan os.Signal // SIGTERM, SIGINT
	reload chan os.Signal // SIGHUP
	louder chan os.Signal // SIGUSR1: the log at the level debug, or at that of the start again
}

func heedSignals() signals {
	s := signals{end: make(chan os.Signal, 1), reload: make(chan os.Signal, 1), louder: make(chan os.Signal, 1)}
	signal.Notify(s.end, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.reload, syscall.SIGHUP)
	signal.Notify(s.louder, syscall.SIGUSR1)
	return s
}

// letGo gives what ends the daemon its own meaning back: another SIGTERM ends the
// process at once. A SIGHUP would too, and goes on being heeded: whoever asks for
// reloads does not mean to end it in the midst of taking its routes out.
func (s signals) letGo() { signal.Stop(s.end) }

// ending tells whether the daemon was told to end, and has not heeded it yet.
func (s signals) ending() bool { return len(s.end) > 0 }
