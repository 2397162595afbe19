package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
)

// Limits of the HTTP server: its clients together may cost the daemon no more.
const (
	questionsAtOnce = 2
	questionTime    = 20 * time.Second
	connections     = 256 // the page's streams among them
	headerTime      = 5 * time.Second
	headerBytes     = 16 << 10
	goodbyeTime     = 2 * time.Second
)

// Server serves /metrics over HTTP, and what Handle adds.
type Server struct {
	addr string
	mux  *http.ServeMux
	http http.Server
	log  *slog.Logger
	at   net.Listener
}

// Options are the parameters of NewServer.
type Options struct {
	Listen string // host:port
	// OpenMetrics answers who asks for it in that format, which has exemplars.
	OpenMetrics bool
	Log         *slog.Logger
}

// NewServer returns a server that shows what the collectors have, the program, and how its
// process and Go's runtime fare. It listens when Listen is called.
func NewServer(o Options, own ...prometheus.Collector) (*Server, error) {
	answers, err := newExposition(o, own)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	log, mux := o.Log, http.NewServeMux()
	mux.Handle("GET /metrics", answers)
	return &Server{addr: o.Listen, mux: mux, log: log, http: http.Server{
		Handler: mux, ReadHeaderTimeout: headerTime, ReadTimeout: headerTime, WriteTimeout: questionTime + headerTime,
		IdleTimeout: time.Minute, MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// Handle adds another handler, before Run.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Listen takes the address, so that an address that cannot be had is an error at start.
func (s *Server) Listen() error {
	at, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("metrics: listen on %s: %w; end what listens there, if that is another vrfredist, or write another address in [netlink.metrics]", s.addr, err)
	}
	s.at = netutil.LimitListener(at, connections) // connections are descriptors of the process that serves the tables
	return nil
}

// Addr is the address that Listen took.
func (s *Server) Addr() net.Addr { return s.at.Addr() }

// Run serves until ctx ends, and then returns nil. Listen was called before.
func (s *Server) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.at) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve metrics on %s: %w", s.addr, err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close() // a client that does not read
	}
	if serve := <-ended; !errors.Is(serve, http.ErrServerClosed) {
		err = errors.Join(err, serve)
	}
	return err
}
