package gobgp3

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/log"
)

func newTestLogger(level slog.Level) (*logger, *syncBuffer) {
	b := new(syncBuffer)
	return newLogger(slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: level}))), b
}

func TestFatalBelowGuard(t *testing.T) {
	l, _ := newTestLogger(slog.LevelInfo)
	err := l.guard(func() error {
		l.Fatal("failed to set global config", log.Fields{"Topic": "config", "Error": errors.New("no port")})
		return errors.New("Fatal returned")
	})
	if err == nil || err.Error() != "failed to set global config, error no port" {
		t.Errorf("error %v", err)
	}
	if l.err() != nil {
		t.Error("it is the error of Run as well")
	}
	if err := l.guard(func() error { return nil }); err != nil {
		t.Errorf("the next guard: %v", err)
	}
	defer func() {
		if recover() != "other" {
			t.Error("guard caught a panic that is not its own")
		}
	}()
	_ = l.guard(func() error { panic("other") })
}

func TestFatalElsewhere(t *testing.T) {
	l, _ := newTestLogger(slog.LevelInfo)
	ended := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { ended <- returned }()
		l.Fatal("failed to listen grpc port", log.Fields{"Err": errors.New("in use")})
		returned = true
	}()
	if <-ended {
		t.Error("Fatal returned")
	}
	<-l.fatal
	if err := l.err(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v", err)
	}
	go func() { defer func() { ended <- true }(); l.Fatal("second", nil) }()
	<-ended
	if err := l.err(); !strings.Contains(err.Error(), "in use") {
		t.Errorf("the first error is lost: %v", err)
	}
}

// TestFatalOfConfiguration: on GoBGP's server loop it must return, or the loop
// would end and the call never.
func TestFatalOfConfiguration(t *testing.T) {
	l, _ := newTestLogger(slog.LevelInfo)
	err := l.guard(func() error {
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Fatal("failed to create routing policy", log.Fields{log.FieldFacility: log.FacilityConfig, "Error": "duplicated"})
		}()
		<-done
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "duplicated") {
		t.Errorf("error %v", err)
	}
	if l.err() != nil {
		t.Error("it is the error of Run as well")
	}
}

func TestLogLines(t *testing.T) {
	l, b := newTestLogger(slog.LevelDebug)
	l.Debug("create Destination", log.Fields{"Topic": "Table", "Nlri": "10.0.0.0/8"})
	l.Debug("other", log.Fields{"Topic": "Peer"})
	l.Info("Peer Up", log.Fields{"Key": "127.0.0.2", "Topic": "Peer", "State": struct{ A int }{1}})
	out := b.String()
	if strings.Contains(out, "Destination") {
		t.Error("a line of one route")
	}
	if !strings.Contains(out, `level=DEBUG msg="gobgp: Peer Up" key=127.0.0.2 state={1} topic=Peer`) || !strings.Contains(out, "other") {
		t.Errorf("log:\n%s", out)
	}
	l.SetLevel(log.WarnLevel)
	l.Info("quiet", nil)
	if l.GetLevel() != log.WarnLevel || strings.Contains(b.String(), "quiet") {
		t.Error("the level that the API sets does not hold")
	}
}

// A neighbour that withdraws what it never announced fills no log.
func TestNoLineForAWithdrawal(t *testing.T) {
	l, b := newTestLogger(slog.LevelInfo)
	l.Warn("No matching path for withdraw found, may be path was not installed into table", log.Fields{"Topic": "Table", "Key": "10.0.0.0/8"})
	if b.String() != "" {
		t.Errorf("logged: %s", b)
	}
	l.Warn("something else", log.Fields{"Topic": "Table"})
	if !strings.Contains(b.String(), "something else") {
		t.Error("another warning is not logged")
	}
}
