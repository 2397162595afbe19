package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/vrfredist/vrfredist/api/access"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// auditKept is how many entries are known after they were made.
const auditKept = 1000

// audit writes down the calls that change something, in the log and for who watches.
type audit struct {
	log *slog.Logger

	mu      sync.Mutex
	last    uint64                    // guarded by mu: the number of the last entry
	entries []*vrfredistv1.AuditEntry // guarded by mu: the last ones
	more    chan struct{}             // guarded by mu: closed by the next entry
}

func newAudit(log *slog.Logger) *audit {
	return &audit{log: log, last: uint64(time.Now().UnixMicro()), more: make(chan struct{})}
}

// note writes a call down. request is nil where it could not be read.
func (a *audit) note(ctx context.Context, method string, request any, failure error) {
	if dry, is := request.(interface{ GetDryRun() bool }); is && dry.GetDryRun() {
		return
	}
	e := &vrfredistv1.AuditEntry{
		TimeUnixNano: time.Now().UnixNano(), Caller: Who(ctx), From: cameFrom(ctx), Method: method[strings.LastIndexByte(method, '/')+1:],
		Vrf: concerned(request), What: asked(request), Outcome: status.Code(failure).String(),
	}
	args := []any{"caller", e.GetCaller(), "method", e.GetMethod(), "vrf", e.GetVrf(), "what", e.GetWhat(), "outcome", e.GetOutcome()}
	if e.GetFrom() != "" {
		args = append(args, "from", e.GetFrom())
	}
	if failure != nil {
		e.Reason = status.Convert(failure).Message()
		args = append(args, "reason", e.GetReason())
	}
	a.log.Info("audit: a call to change something", args...)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	e.Number = a.last
	if len(a.entries) == auditKept {
		a.entries = slices.Delete(a.entries, 0, 1)
	}
	a.entries = append(a.entries, e)
	close(a.more)
	a.more = make(chan struct{})
}

// after returns the entries after a number that are known, and a channel that is closed when
// there are more.
func (a *audit) after(number uint64) ([]*vrfredistv1.AuditEntry, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, _ := slices.BinarySearchFunc(a.entries, number+1, func(e *vrfredistv1.AuditEntry, n uint64) int {
		switch {
		case e.GetNumber() < n:
			return -1
		case e.GetNumber() > n:
			return 1
		}
		return 0
	})
	return slices.Clone(a.entries[i:]), a.more
}

// cameFrom is the address that a call came from; "": this host's socket.
func cameFrom(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		if tcp, is := p.Addr.(*net.TCPAddr); is {
			return tcp.String()
		}
	}
	return ""
}

// concerned is the VRF that a request is about; "": none alone.
func concerned(request any) string {
	switch r := request.(type) {
	case interface{ GetVrf() string }:
		return r.GetVrf()
	case interface{ GetVrf() *vrfredistv1.VrfSpec }:
		return r.GetVrf().GetName()
	case interface {
		GetNeighbor() *vrfredistv1.NeighborSpec
	}:
		return vrfName(r.GetNeighbor().GetVrf())
	}
	return ""
}

// asked is what a request is for, without the values of what is applied, among which are
// passwords.
func asked(request any) string {
	var parts []string
	if r, is := request.(interface {
		GetNeighbor() *vrfredistv1.NeighborSpec
	}); is {
		parts = append(parts, "neighbour "+r.GetNeighbor().GetAddress())
	}
	r, applies := request.(interface {
		GetMask() *fieldmaskpb.FieldMask
		GetOwner() string
	})
	if !applies {
		m, is := request.(proto.Message)
		if !is {
			return ""
		}
		text, err := json.Marshal(plainMessage(m.ProtoReflect()))
		if err != nil {
			return ""
		}
		return string(text)
	}
	what := "the whole"
	if paths := r.GetMask().GetPaths(); len(paths) > 0 {
		what = strings.Join(paths, ", ")
	}
	parts = append(parts, what)
	if r.GetOwner() != "" {
		parts = append(parts, fmt.Sprintf("owner %q", r.GetOwner()))
	}
	return strings.Join(parts, "; ")
}

// auditing shows the audit.
type auditing struct {
	audit *audit
	pace  pace
}

// WatchAudit streams the audit.
func (s *auditing) WatchAudit(r *vrfredistv1.WatchAuditRequest, stream grpc.ServerStreamingServer[vrfredistv1.AuditEntry]) error {
	number := r.GetAfter()
	for {
		entries, more := s.audit.after(number)
		if err := sendWithin(stream, s.pace.patience, entries...); err != nil {
			return err
		}
		if n := len(entries); n > 0 {
			number = entries[n-1].GetNumber()
		}
		select {
		case <-more:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// audited tells whether a call is written down.
func (c *call) audited() bool { return access.Audited(c.method) }
