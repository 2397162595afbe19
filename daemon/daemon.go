package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/vrfredist/vrfredist/api"
)

// backend is the daemon as the API, the metrics and the status page see it: each method
// is of the part that owns what it is about.
type backend struct {
	*vrfs
	*neighbors
	*changer
	*planner
	*applications
	*examiner
	*levels
	*shownConfig
	mailboxes
}

var _ api.Backend = (*backend)(nil)

// server is BGP as it is run and ended.
type server interface {
	// Started is closed when BGP runs, and the API listens.
	Started() <-chan struct{}
	// Stop ends BGP, before or after its Run. With graceful the sessions are left to
	// graceful restart.
	Stop(ctx context.Context, graceful bool) error
	// Answers returns nil once BGP's loop has answered.
	Answers(ctx context.Context) error
}

// supervisor runs the VRFs: vrf.Supervisor.
type supervisor interface {
	faring
	// Run runs the VRFs until ctx ends, and joins their workers.
	Run(ctx context.Context) error
}

// part is a piece of the daemon that runs beside the others.
type part struct {
	name string
	run  func(context.Context) error
}

// daemon is the parts, which live as long as it runs.
type daemon struct {
	log        *slog.Logger
	force      *inForce
	gate       *gate
	changer    *changer
	bgp        server
	supervisor supervisor
	manager    *manager
	levels     *levels
	chronicle  *chronicle
	parts      []part // besides the supervisor
}

// endTime bounds how long BGP may take to say goodbye.
const endTime = 5 * time.Second

// endBGP ends the speaker after the workers. Where routes stay in the kernel the
// sessions are left to graceful restart; a neighbour that is told of our end
// would take its traffic elsewhere at once.
func (d *daemon) endBGP() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	return d.bgp.Stop(ctx, d.force.keepsRoutes())
}
