package gobgp3

import (
	"fmt"
	"sync/atomic"

	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// sessionLog is the logger of one session. Why an attempt to connect failed GoBGP says at
// the level DEBUG alone, and asks first whether that is wanted. It is, as long as the session is
// not up; of one that is up GoBGP would say something for each message.
//
// GoBGP has the logger in a field of the session. It is put there when the session's state
// changes, as the guard is: then none of the session's goroutines runs.
type sessionLog struct {
	*logger
	up atomic.Bool
}

// listenTo gives a session its own logger; it is called where the guard is put before its
// connection.
func listenTo(p livePeer, l *logger, up bool) {
	at := p.logger.in(p.fsm)
	own, is := (*at).(*sessionLog)
	if !is {
		own = &sessionLog{logger: l}
		*at = own
	}
	own.up.Store(up)
}

// GetLevel implements log.Logger.
func (l *sessionLog) GetLevel() log.LogLevel {
	if !l.up.Load() {
		return log.DebugLevel
	}
	return l.logger.GetLevel()
}

// Debug implements log.Logger, and takes in what becomes of attempts to connect.
func (l *sessionLog) Debug(msg string, fields log.Fields) {
	if l.dials != nil {
		switch msg {
		case dialBegins:
			l.dials.dialed(fmt.Sprint(fields["Key"]))
		case dialFails:
			err, _ := fields["Error"].(error)
			l.dials.unreached(fmt.Sprint(fields["Key"]), err)
		}
	}
	l.logger.Debug(msg, fields)
}

// GoBGP's messages of attempts to connect (connectLoop in pkg/server/fsm.go).
const (
	dialBegins = "try to connect"
	dialFails  = "failed to connect"
)

// established is GoBGP's name of the state.
var established = bgp.BGP_FSM_ESTABLISHED.String()
